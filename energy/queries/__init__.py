"""What reads the power of sites."""
