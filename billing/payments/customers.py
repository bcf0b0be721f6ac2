"""The provider's customer of an organization: what cards, subscriptions and invoices hang on."""

from datetime import datetime
from typing import Any

from billing.payments.base import Call, Gateway

PATH = "/v1/customers"


def customer(*, organization_id: str, name: str, email: str) -> Call:
    """Make an organization known."""
    known = {"name": name, "metadata": {"organization_id": organization_id}}
    return Call(PATH, known | ({"email": email} if email else {}))


def has_working_card(gateway: Gateway, *, customer: str, now: datetime) -> bool:
    """Whether the customer has a default card that has not expired. Calls the provider."""
    found = gateway.fetch(f"{PATH}/{customer}", expand=["invoice_settings.default_payment_method"])
    method: Any = (found.get("invoice_settings") or {}).get("default_payment_method")
    card: Any = method.get("card") if method else None
    return card is not None and (card["exp_year"], card["exp_month"]) >= (now.year, now.month)
