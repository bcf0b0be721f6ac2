"""PostgreSQL and Valkey from wheels: what runs when DATABASE_URL and REDIS_URL are not set."""
