"""Stand-in for the miners of a site: thousands of them, of several models, that answer on loopback addresses."""
