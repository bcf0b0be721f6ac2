"""What nodes report about themselves: kept packed by time, rolled up by minute and hour."""
