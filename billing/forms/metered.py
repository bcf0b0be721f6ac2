"""What the page of how an organization pays asks."""

from typing import Any

from django import forms

from billing.forms.money import dollars
from billing.models import TRUST, BillingAccount, BillingMode, TrustLevel
from billing.paying import Decision
from marketplace.money import MICROS

# A phone cuts longer words in a list of choices.
SHORT = {BillingMode.INVOICED: "by transfer, after our invoice"}
MODES = [(mode.value, SHORT.get(mode, mode.label)) for mode in BillingMode]
LEVELS = [(level.value, level.value) for level in TrustLevel]


class PaymentTerms(forms.Form):
    """How an organization pays, and how far it is trusted; staff's word."""

    mode = forms.ChoiceField(label="It pays", choices=MODES, help_text="An invoice by transfer is due after 30 days.")
    trust = forms.ChoiceField(
        label="Trust",
        choices=LEVELS,
        help_text="New: fewer nodes at once in its first 30 days, and until a payment has stood for 30 days.",
    )
    credit = dollars(
        "Credit",
        min_value=0,
        required=False,
        help_text="In dollars. Empty: what its trust gives, $1,000 known, $10,000 trusted, $100,000 enterprise.",
    )
    override = forms.BooleanField(label="It may go without a card that works", required=False)
    reason = forms.CharField(label="Reason", max_length=200, help_text="Kept with the change; for staff.")

    def __init__(self, data: Any, *, account: BillingAccount) -> None:
        """Shows what holds now."""
        given = TRUST[TrustLevel(account.trust)].credit_micros
        own = account.mode != BillingMode.PREPAID and account.credit_micros != given
        credit = f"{account.credit_micros / MICROS:.2f}" if own else None
        super().__init__(data, initial={"mode": account.mode, "trust": account.trust, "credit": credit})

    def decision(self) -> Decision:
        """What was decided."""
        wanted, credit = self.cleaned_data, self.cleaned_data["credit"]
        return Decision(
            mode=BillingMode(wanted["mode"]),
            trust=TrustLevel(wanted["trust"]),
            credit_micros=None if credit is None else int(credit * MICROS),
            reason=wanted["reason"],
            override=wanted["override"],
        )
