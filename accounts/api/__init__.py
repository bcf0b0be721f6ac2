"""The API of this app: keys, tokens, events, the organization."""
