"""What the pages of invoices and of what is owed ask."""

from typing import Any

from django import forms

from billing.forms import utc_moment
from billing.forms.customers import Customer
from billing.forms.money import dollars
from billing.models import LONGEST_REFERENCE, BillingAccount, BillingMode, Invoice, InvoiceLine
from billing.queries.receivables import creditable_cents
from marketplace.money import format_cents

LONGEST_REASON = 200


class Details(forms.ModelForm[BillingAccount]):
    """What a customer wants on its invoices."""

    class Meta:
        model = BillingAccount
        fields = ["purchase_order", "buyer"]
        labels = {"purchase_order": "Purchase order number", "buyer": "Name and address"}
        widgets = {"buyer": forms.Textarea(attrs={"rows": 4})}


class Transfer(forms.Form):
    """What staff found at the bank."""

    organization = Customer(mode=BillingMode.INVOICED, label="Customer")
    reference = forms.CharField(
        label="The bank's reference",
        max_length=LONGEST_REFERENCE,
        help_text="What names this transfer at the bank, once and for ever. The same one again changes nothing.",
    )
    amount = dollars("Amount in dollars", min_value=0.01)
    received_at = utc_moment("Received (UTC)")
    invoice = forms.CharField(
        label="For invoice", required=False, help_text="Its number, if the customer named one. Else the earliest due."
    )

    def clean(self) -> dict[str, Any]:
        """The named invoice, as a row of the customer."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        number = cleaned.pop("invoice", "")
        cleaned["invoice"] = Invoice.objects.filter(number=number, organization=cleaned.get("organization")).first()
        if number and not cleaned["invoice"]:
            self.add_error("invoice", f"This customer has no invoice {number}.")
        return cleaned

    def cents(self) -> int:
        """The amount in cents."""
        return int(self.cleaned_data["amount"] * 100)


class Reason(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=LONGEST_REASON, help_text="At most 200 characters.")


class Credit(Reason):
    """How much of each line is taken back, and why; the customer reads it."""

    def __init__(self, data: Any, *, invoice: Invoice) -> None:
        super().__init__(data)
        left = creditable_cents(invoice)
        for line in InvoiceLine.objects.filter(pk__in=[key for key, cents in left.items() if cents]):
            most = format_cents(left[line.pk])
            field = dollars(line.description, min_value=0.01, required=False)
            field.help_text = f"Net, at most {most}. Empty: nothing of it."
            self.fields[f"line_{line.pk}"] = field

    def cents_by_line(self) -> dict[int, int]:
        """What is credited, by the key of the line."""
        said = {name: value for name, value in self.cleaned_data.items() if name.startswith("line_") and value}
        return {int(name.removeprefix("line_")): int(value * 100) for name, value in said.items()}
