"""The API of this app: the catalogue, open to everybody."""
