"""Which events an endpoint may ask for: single kinds such as "lease.ended", or a family such as "lease.*"."""

import re
from collections.abc import Sequence

MOST_KINDS = 100
FAMILIES = {
    "lease": "Leases: their states, interruptions, extensions, credits, keys",
    "standing_order": "Standing orders: waiting, filled, expired",
    "wallet": "The wallet: running low, empty, refunds",
    "budget": "Budgets: set, changed, reached",
    "payment": "Payments: requested, paid, declined, disputed",
    "card": "Saved cards: saved, expiring, removed",
    "credit": "Promotional credit",
    "transfer": "Bank transfers that have arrived",
    "invoice": "Invoices: issued, paid from the wallet, due soon, overdue",
    "credit_note": "Credit notes",
    "plan": "Plans: terms that will change",
    "organization": "The organization: its name, limits, tax id, standing",
    "tax": "Tax: an address that is not found",
    "ssh_key": "SSH keys added and removed",
    "token": "API tokens made and revoked",
    "webhook_endpoint": "Webhook endpoints: added, changed, switched off",
}
_KIND = re.compile(r"([a-z_]+)\.(\*|[a-z0-9_]+)", re.ASCII)


def checked(wanted: Sequence[str]) -> list[str]:
    """
    The kinds, each once, in order.

    :raises ValueError: naming what is no kind, and what there is
    """
    for kind in wanted:
        found = _KIND.fullmatch(kind)
        if not found or found[1] not in FAMILIES or len(kind) > 64:
            families = ", ".join(f"{family}.*" for family in FAMILIES)
            raise ValueError(f"“{kind[:64]}” is no kind of event. Write one such as lease.ended, or of: {families}.")
    if len(wanted) > MOST_KINDS:
        raise ValueError(f"Choose at most {MOST_KINDS} kinds, or none for all.")
    return sorted(set(wanted))
