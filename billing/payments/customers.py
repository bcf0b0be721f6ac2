"""The provider's customer of an organization: what cards, subscriptions and invoices hang on."""

from billing.payments.base import Call

PATH = "/v1/customers"


def customer(*, organization_id: str, name: str, email: str) -> Call:
    """Make an organization known."""
    known = {"name": name, "metadata": {"organization_id": organization_id}}
    return Call(PATH, known | ({"email": email} if email else {}))
