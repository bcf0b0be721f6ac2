"""The API of this app: quotes, orders, what leases cost, the wallet and everything that moves it."""
