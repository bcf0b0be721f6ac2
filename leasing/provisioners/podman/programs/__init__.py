"""Programs that an operator may install on a real host; nothing here imports them."""
