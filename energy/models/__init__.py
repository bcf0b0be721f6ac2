"""Sites' power: contracts, loads, feeds, plans and commands."""
