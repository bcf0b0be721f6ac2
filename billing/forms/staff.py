"""What the operator's pages of money ask of staff."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms

from billing.adjusting import LONGEST_REASON as LONGEST_ADJUSTMENT_REASON
from billing.adjusting import LONGEST_WORDS
from billing.forms.customers import Customer, LeaseOf
from billing.queries.customers import customer

LONGEST_REASON = 200
CENTS = 100


class Which(forms.Form):
    """Of which organization a page is wanted."""

    organization = Customer()


class Why(forms.Form):
    """Why something is done."""

    reason = forms.CharField(
        max_length=LONGEST_REASON, help_text="For other staff; the customer never reads it. At most 200 characters."
    )


class Block(Why):
    """Stop an organization's orders or take them again, and why."""

    WORDS: ClassVar = {  # the first that is offered is what Enter does
        "lift": "End the suspension",
        "release": "Take its orders again",
        "hold": "Put its orders on hold",
        "suspend": "Suspend",
    }
    act = forms.ChoiceField(choices=list(WORDS.items()), widget=forms.HiddenInput)

    def __init__(self, data: Any, *, suspended: bool, held: bool) -> None:
        """Offers what changes something."""
        super().__init__(data)
        self.offered = {"lift" if suspended else "suspend", "release" if held else "hold"}

    @property
    def buttons(self) -> list[tuple[str, str]]:
        """The acts that are offered, in words."""
        return [(act, words) for act, words in self.WORDS.items() if act in self.offered]

    def clean(self) -> dict[str, Any]:
        """A page of before must not undo what somebody else has done since."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if said.get("act") not in self.offered:
            raise forms.ValidationError("That is so already: somebody was faster. Choose again.")
        return said


class NewAdjustment(forms.Form):
    """A credit or a debit for an organization."""

    organization = Customer()
    amount = forms.DecimalField(
        label="Amount in dollars",
        max_digits=9,
        decimal_places=2,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any"}),
        help_text="25.00 credits the wallet, -25.00 takes from it.",
    )
    words = forms.CharField(
        label="Words for the customer", max_length=LONGEST_WORDS, help_text="They stand in the ledger and the e-mail."
    )
    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_ADJUSTMENT_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For other staff; the customer never reads it. At most 400 characters.",
    )
    lease = LeaseOf(
        label="Lease",
        help_text="If it is about one: choose it by its name, or write its id. Then it is on its invoice.",
    )
    field_order = ("organization", "lease")

    def __init__(self, data: Any, *, initial: Mapping[str, str]) -> None:
        """Proposes leases of the organization that is named."""
        super().__init__(data, initial=dict(initial))
        lease = self.fields["lease"]
        assert isinstance(lease, LeaseOf)
        lease.organization = customer(str((self.data or initial).get("organization", "")))

    def asked(self) -> dict[str, Any]:
        """As `billing.adjusting.ask_by_ids` takes it. Call after `is_valid`."""
        said = dict(self.cleaned_data)
        organization, amount = said.pop("organization"), said.pop("amount")
        return {**said, "organization": organization.public_id, "amount_cents": int(amount * CENTS)}


class AdjustmentAnswer(forms.Form):
    """Staff's answer to an adjustment of somebody else."""

    answer = forms.ChoiceField(choices=[("approve", "Approve"), ("refuse", "Refuse")], widget=forms.HiddenInput)
