"""What every API endpoint shares: who is calling, what they may do, how errors, pages and retries look."""
