"""Pages of this app: ordering, the wallet, invoices; and where the card processor's messages arrive."""
