"""The provider's customer of an organization: what cards, subscriptions and invoices hang on."""

from billing.payments.base import Call, Facts

PATH = "/v1/customers"


def customer(*, organization_id: str, name: str, email: str) -> Call:
    """Make an organization known."""
    known = {"name": name, "metadata": {"organization_id": organization_id}}
    return Call(PATH, known | ({"email": email} if email else {}))


def charged_to(*, customer: str, card: str) -> Call:
    """Charge a customer's subscriptions to this card from now on."""
    return Call(f"{PATH}/{customer}", {"invoice_settings": {"default_payment_method": card}}, marked=False)


def default_card(facts: Facts) -> str:
    """The card that a customer's subscriptions are charged to, or ""."""
    return str((facts.get("invoice_settings") or {}).get("default_payment_method") or "")
