"""Formats of dates and numbers where no template says otherwise: the admin."""
