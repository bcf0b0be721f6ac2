"""Inputs in which staff name a customer or one of its leases. What fits is proposed while one types, and after that."""

from typing import Any

from django import forms

from accounts.models import Organization
from billing.models import BillingMode
from billing.queries.customers import SUGGESTED, customer, customers_like, id_in, leases_like, named
from leasing.models import Lease
from leasing.states import LeaseState

LONGEST = 200
Suggestions = list[tuple[str, str]]  # what is filled in, and what is said of it


class Customer(forms.CharField):
    """
    An organization, by its name or public id. A part of a name takes nobody, not even where it fits one alone: who
    fits is proposed then, so that it works without scripts too.
    """

    suggest = "customer_names"

    def __init__(self, *, mode: BillingMode | None = None, label: str = "Organization") -> None:
        """Any of them, or one that pays in one way."""
        super().__init__(
            label=label,
            max_length=LONGEST,
            help_text="Write a part of its name and choose it, or its id.",
            widget=forms.TextInput(attrs={"list": "customers", "spellcheck": "false"}),
        )
        self.mode, self.typed = mode, ""

    def suggestions(self) -> Suggestions:
        """Who fits what was typed."""
        return suggested_customers(self.typed, mode=self.mode)

    def prepare_value(self, value: Any) -> Any:
        """An id with its name, as it is proposed."""
        text = str(value or "")
        found = customer(text, mode=self.mode) if id_in(text).startswith("og_") else None
        return named(found) if found else value

    def clean(self, value: Any) -> Organization | None:
        """The one that is meant."""
        self.typed = super().clean(value)
        if not self.typed:
            return None
        if found := customer(self.typed, mode=self.mode):
            return found
        fits = list(customers_like(self.typed, mode=self.mode)[: SUGGESTED + 1])
        if not fits:
            which = " that pays by transfer" if self.mode == BillingMode.INVOICED else ""
            raise forms.ValidationError(f"There is no organization {self.typed}{which}. Write a part of its name.")
        raise forms.ValidationError(_which(self.typed, fits))


class LeaseOf(forms.CharField):
    """A lease of the customer that is named beside it, by its public id or as it is proposed: cleaned to the id."""

    suggest = "customer_leases"
    organization: Organization | None = None

    def __init__(self, *, label: str, help_text: str) -> None:
        super().__init__(
            label=label,
            max_length=LONGEST,
            required=False,
            help_text=help_text,
            widget=forms.TextInput(attrs={"list": "leases", "spellcheck": "false"}),
        )

    def suggestions(self) -> Suggestions:
        """The newest of the organization, once it is known."""
        return suggested_leases("", organization=self.organization)

    def clean(self, value: Any) -> str:
        """Its id."""
        return id_in(super().clean(value))


def _which(typed: str, fits: list[Organization]) -> str:
    if len(fits) == 1:
        return f"Do you mean {fits[0].name}? Choose it from the list."
    count = f"More than {SUGGESTED}" if len(fits) > SUGGESTED else str(len(fits))
    return f"{count} fit “{typed}”: choose one from the list, such as {fits[0].name}."


def suggested_customers(text: str, *, mode: BillingMode | None) -> Suggestions:
    """The first that fit."""
    return [(named(row), "") for row in customers_like(text, mode=mode)[:SUGGESTED]]


def suggested_leases(text: str, *, organization: Organization | None) -> Suggestions:
    """The newest that fit, with their days and state; none of nobody."""
    rows = leases_like(text, organization=organization)[:SUGGESTED] if organization else []
    return [(named(row), _about(row)) for row in rows]


def _about(lease: Lease) -> str:
    until = f"{lease.ends_at:%-d %b %Y}" if lease.ends_at else "it is given back"
    return f"{lease.starts_at:%-d %b %Y} until {until} (UTC), {LeaseState(lease.state).label.lower()}"
