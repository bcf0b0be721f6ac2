"""What the pages of money ask."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet

from billing.automatic import Rules
from billing.forms import utc_moment
from billing.forms.customers import Customer
from billing.models import AutoTopUp, SavedCard
from leasing.models import PROJECT, PROJECT_LENGTH, PROJECT_WORDS
from marketplace.money import MICROS, MICROS_PER_CENT

LEAST_DOLLARS, MOST_DOLLARS = 10, 50_000
MOST_BUDGET_DOLLARS = 10**9
BOUNDS = {"min_value": "at least", "max_value": "at most"}


def dollars(label: str, **limits: Any) -> forms.DecimalField:
    """An amount in dollars and cents."""
    widget = forms.NumberInput(attrs={"inputmode": "decimal", "step": "0.01"})
    words = {"max_decimal_places": "Write dollars and whole cents, such as 12.50."}
    words |= {bound: f"Write {way} ${limits[bound]:,}." for bound, way in BOUNDS.items() if bound in limits}
    return forms.DecimalField(label=label, decimal_places=2, widget=widget, error_messages=words, **limits)


class TopUp(forms.Form):
    """How much to pay in."""

    amount = dollars(
        "Amount",
        min_value=LEAST_DOLLARS,
        max_value=MOST_DOLLARS,
        initial=100,
        help_text="From $10 to $50,000.",
    )
    card = forms.ModelChoiceField(
        label="Pay with",
        queryset=SavedCard.objects.none(),
        to_field_name="public_id",
        required=False,
        blank=True,  # radio buttons drop the empty choice otherwise
        empty_label="Another card, on the next page",
        widget=forms.RadioSelect,
    )
    keep_card = forms.BooleanField(
        label="Keep the card for later",
        required=False,
        help_text="For top-ups with one click and, if you switch it on, automatic top-up. Its number never reaches us.",
    )

    def __init__(
        self, data: Any = None, *, cards: QuerySet[SavedCard], initial: Mapping[str, Any] | None = None
    ) -> None:
        """Offers the cards that are saved, their default first."""
        super().__init__(data, initial=dict(initial or {}))
        field = self.fields["card"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = cards
        default = cards.first()
        self.initial.setdefault("card", default.public_id if default else None)
        if default is None:
            self.fields["card"].widget = forms.HiddenInput()

    def cents(self) -> int:
        """The amount in cents."""
        return int(self.cleaned_data["amount"] * 100)


class AutoTopUpRules(forms.Form):
    """When the wallet tops itself up, by how much, and how much in a month."""

    threshold = dollars(
        "When less than this is available",
        min_value=0,
        max_value=MOST_DOLLARS,
        initial=20,
        help_text="Also, whatever this says, when what runs on demand has less than a day of money left.",
    )
    amount = dollars(
        "Top up by", min_value=LEAST_DOLLARS, max_value=MOST_DOLLARS, initial=100, help_text="From $10 to $50,000."
    )
    ceiling = dollars(
        "In a month, at most",
        min_value=LEAST_DOLLARS,
        initial=500,
        help_text="For each calendar month, counted in UTC. Nothing is charged by itself beyond it.",
    )
    FIELDS: ClassVar = {"threshold_cents": "threshold", "amount_cents": "amount", "ceiling_cents": "ceiling"}

    def __init__(self, data: Any, *, rules: AutoTopUp | None) -> None:
        """Shows the rules that there are."""
        there = {ours: f"{getattr(rules, field) / 100:.2f}" for field, ours in self.FIELDS.items()} if rules else {}
        super().__init__(data, initial=there)

    def rules(self) -> Rules:
        """As the wallet takes them."""
        return Rules(**{field: int(self.cleaned_data[ours] * 100) for field, ours in self.FIELDS.items()})

    def refuse(self, field: str, message: str) -> None:
        """Put a refusal beside the field that it is about."""
        self.add_error(self.FIELDS.get(field), message)


class NewCredit(forms.Form):
    """Promotional credit to give."""

    organization = Customer()
    amount = dollars("Amount", min_value=0.01, max_value=10_000, help_text="At most $10,000.")
    expires_at = utc_moment("Until (UTC)", required=False, help_text="Empty: it never ends.")
    reason = forms.CharField(label="Reason", max_length=200, help_text="The customer reads it.")
    key = forms.CharField(max_length=60, widget=forms.HiddenInput)

    def wanted(self) -> dict[str, Any]:
        """As `granting.give` takes it."""
        said = {name: self.cleaned_data[name] for name in ("organization", "expires_at", "reason", "key")}
        return {"amount_micros": int(self.cleaned_data["amount"] * MICROS), **said}

    def refuse(self, field: str, message: str) -> None:
        """Put a refusal beside the field that it is about."""
        self.add_error("amount" if field == "amount_micros" else field, message)


class ChangeBudget(forms.Form):
    """How much to spend in a month at most."""

    limit = dollars(
        "Limit",
        min_value=1,
        max_value=MOST_BUDGET_DOLLARS,
        help_text="For each calendar month, counted in UTC. Orders beyond it are refused.",
    )

    def micros(self) -> int:
        """The limit in micro-dollars."""
        return int(self.cleaned_data["limit"] * MICROS)


class NewBudget(ChangeBudget):
    """The same, and for what."""

    field_order = ("project", "limit")
    project = forms.RegexField(
        PROJECT,
        label="Project",
        max_length=PROJECT_LENGTH,
        required=False,
        error_messages={"invalid": PROJECT_WORDS},
        help_text="The tag of the leases that it caps. Leave it empty to cap the whole organization.",
    )


class NewRefund(forms.Form):
    """How much to pay back."""

    amount = dollars("Amount", min_value=0.01)

    def cents(self) -> int:
        """The amount in cents."""
        return int(self.cleaned_data["amount"] * 100)


def cents_to_ask(missing_micros: int) -> int:
    """The least top-up, in whole dollars, that covers what is missing; in cents."""
    per_dollar = MICROS_PER_CENT * 100
    return max(LEAST_DOLLARS, -(-missing_micros // per_dollar)) * 100


class Explanation(forms.Form):
    """Why our ledger and the card processor differ."""

    reason = forms.CharField(
        label="Why they differ", max_length=300, help_text="What you found out, and what was done. It is kept."
    )
