"""Pages on which a lease is changed. Those that show it are in billing, since they show its cost."""
