"""Tax ids of the provider's customer, which the provider has checked with their registers."""

from dataclasses import dataclass

from billing.payments.base import Call, Facts


@dataclass(frozen=True)
class TaxIdFacts:
    """A tax id of a customer. `state` is the provider's word for what the register says."""

    reference: str
    kind: str
    value: str
    state: str


def path(customer: str) -> str:
    """Where the tax ids of a customer are."""
    return f"/v1/customers/{customer}/tax_ids"


def make(*, customer: str, kind: str, value: str) -> Call:
    """Have a tax id checked."""
    return Call(path(customer), {"type": kind, "value": value}, marked=False)


def take_off(*, customer: str, reference: str) -> Call:
    """Take a tax id off a customer: it stands on no later invoice, and changes no tax."""
    return Call(f"{path(customer)}/{reference}", {}, marked=False, method="delete")


def tax_id(facts: Facts) -> TaxIdFacts:
    """https://docs.stripe.com/api/tax_ids/object"""
    state = (facts.get("verification") or {}).get("status", "unavailable")
    return TaxIdFacts(facts["id"], facts["type"], facts["value"], state)
