"""The provider's customer of an organization: what cards, subscriptions and invoices hang on."""

from collections.abc import Mapping

from billing.payments.base import Call, Facts

PATH = "/v1/customers"
UNLOCATED = "customer_tax_location_invalid"


def customer(*, organization_id: str, name: str, email: str) -> Call:
    """Make an organization known."""
    known = {"name": name, "metadata": {"organization_id": organization_id}}
    return Call(PATH, known | ({"email": email} if email else {}))


def moved(*, customer: str, name: str, address: Mapping[str, str]) -> Call:
    """
    Say where a customer is. One whose tax nobody could work out there is refused as UNLOCATED, and nothing of it kept:
    https://docs.stripe.com/tax/customer-locations
    """
    body = {"name": name, "address": dict(address), "tax": {"validate_location": "immediately"}}
    return Call(f"{PATH}/{customer}", body, marked=False)


def address_of(facts: Facts) -> Mapping[str, str]:
    """Where a customer is, by what the provider has; only what is known."""
    return {name: value for name, value in (facts.get("address") or {}).items() if value}


def charged_to(*, customer: str, card: str) -> Call:
    """Charge a customer's subscriptions to this card from now on."""
    return Call(f"{PATH}/{customer}", {"invoice_settings": {"default_payment_method": card}}, marked=False)


def default_card(facts: Facts) -> str:
    """The card that a customer's subscriptions are charged to, or ""."""
    return str((facts.get("invoice_settings") or {}).get("default_payment_method") or "")
