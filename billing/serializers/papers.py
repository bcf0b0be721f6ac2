"""What a lease or a month has cost, on paper: receipts and invoices."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.clock import now
from billing.models import BillingAccount, CreditNote, CreditNoteLine, Invoice, InvoiceLine
from billing.queries.receivables import receivable_of
from billing.serializers.energy import InvoiceEnergyShown, MonthEnergyShown
from billing.serializers.handing_back import HandBackShown
from billing.serializers.promises import RuleCreditShown
from billing.serializers.receivables import OwedShown
from billing.serializers.tax import TaxShown
from leasing.serializers.interruptions import InterruptionShown


class ReceiptLine(serializers.Serializer[Any]):
    """The use of one UTC day."""

    day = serializers.DateField()
    seconds = serializers.IntegerField()
    outage_node_seconds = serializers.IntegerField()
    micros = serializers.IntegerField()


class CreditShown(serializers.Serializer[Any]):
    """One outage, and what it took off the bill."""

    outage = serializers.CharField(source="outage.public_id", help_text="Such as ou_…")
    node = serializers.CharField()
    cause = serializers.CharField(help_text="In words.")
    began_at = serializers.DateTimeField(source="outage.began_at")
    ended_at = serializers.DateTimeField(source="outage.ended_at", allow_null=True, help_text="Null: it goes on.")
    node_seconds = serializers.IntegerField(help_text="That would have been charged.")
    saved_micros = serializers.IntegerField()


class PricedPart(serializers.Serializer[Any]):
    """The use at one price. A lease that was extended may have several."""

    from_at = serializers.DateTimeField(source="price.since", help_text="From when the price holds.")
    micros_per_node_hour = serializers.IntegerField(source="price.micros_per_node_hour")
    seconds = serializers.IntegerField()
    outage_node_seconds = serializers.IntegerField(source="outage_seconds")


class ReceiptShown(serializers.Serializer[Any]):
    """What a lease costs, and why."""

    lease = serializers.CharField(source="lease.public_id")
    name = serializers.CharField(source="lease.name")
    state = serializers.CharField()
    reason = serializers.CharField(help_text="Code of why it ended or failed; empty where nothing is to be said.")
    final = serializers.BooleanField(help_text="False while the meter may still run.")
    explanation = serializers.CharField(help_text="In words, also when the charge is nothing.")
    started_at = serializers.DateTimeField(allow_null=True, help_text="When the meter began; null if it never did.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="When the meter stopped.")
    seconds = serializers.IntegerField()
    nodes = serializers.IntegerField()
    outage_node_seconds = serializers.IntegerField(help_text="Charged are seconds × nodes less these.")
    list_micros_per_node_hour = serializers.IntegerField(help_text="By the offer's rate when it was ordered.")
    discount_percent = serializers.IntegerField(help_text="Taken off it for the agreed length.")
    micros_per_node_hour = serializers.IntegerField(help_text="What is charged now, or was charged last.")
    prices = PricedPart(source="parts", many=True, help_text="What was used at which price: they make up the charge.")
    charged_micros = serializers.IntegerField()
    lines = ReceiptLine(many=True)
    outages = CreditShown(source="credits", many=True)
    hand_backs = HandBackShown(many=True, help_text="Agreed time that was handed back: fees and credits.")
    promise_credits = RuleCreditShown(source="rule_credits", many=True, help_text="For promises that were not kept.")
    interruptions = InterruptionShown(many=True, help_text="For which it was paused; that time is not charged.")
    total_micros = serializers.IntegerField(help_text="charged_micros, and fees less credits.")


class InvoiceLineShown(serializers.ModelSerializer[InvoiceLine]):
    """
    One lease in the month: its use at one price, or a fee or credit for agreed time that was handed back. `micros` is
    exact, `cents` is rounded half up, here and nowhere else.
    """

    lease = serializers.CharField(source="lease.public_id")

    class Meta:
        model = InvoiceLine
        fields = [
            "lease",
            "kind",
            "description",
            "seconds",
            "nodes",
            "outage_node_seconds",
            "micros_per_node_hour",
            "micros",
            "cents",
        ]
        read_only_fields = fields


class InvoiceShown(serializers.ModelSerializer[Invoice]):
    """The invoice of one UTC month, `period_start` to `period_end` (excluded)."""

    id = serializers.CharField(source="public_id", help_text="Such as iv_…")

    class Meta:
        model = Invoice
        fields = [
            "id", "number", "period_start", "period_end", "issued_at", "mode", "due_on", "purchase_order", "net_cents",
            "tax_rate_ppm", "tax_cents", "tax_note", "total_cents",
        ]  # fmt: skip
        read_only_fields = fields


class InvoiceWithLines(InvoiceShown):
    """
    An invoice with its lines, by lease, and by price; what its leases used; and how far it is, if it is paid by
    transfer.
    """

    lines = InvoiceLineShown(many=True)
    energy = InvoiceEnergyShown(many=True)
    owed = serializers.SerializerMethodField()

    class Meta(InvoiceShown.Meta):
        fields = [
            *InvoiceShown.Meta.fields, "seller", "seller_tax_id", "buyer", "buyer_tax_id", "sha256", "lines",
            "energy", "owed",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(OwedShown(allow_null=True))
    def get_owed(self, invoice: Invoice) -> dict[str, Any] | None:
        """Null where the wallet or a card paid."""
        owed = receivable_of(invoice)
        return OwedShown(owed, context={"today": now().date()}).data if owed else None


class CreditNoteLineShown(serializers.ModelSerializer[CreditNoteLine]):
    """What is taken back of a line."""

    description = serializers.CharField(source="line.description")
    lease = serializers.CharField(source="line.lease.public_id")

    class Meta:
        model = CreditNoteLine
        fields = ["lease", "description", "cents"]
        read_only_fields = fields


class CreditNoteShown(serializers.ModelSerializer[CreditNote]):
    """What was taken back of an invoice: `total_cents` with tax, its lines without."""

    id = serializers.CharField(source="public_id", help_text="Such as cn_…")
    invoice = serializers.CharField(source="invoice.public_id", help_text="Such as iv_…")
    lines = CreditNoteLineShown(many=True)

    class Meta:
        model = CreditNote
        fields = [
            "id", "number", "invoice", "issued_at", "reason", "net_cents", "tax_cents", "total_cents", "lines",
        ]  # fmt: skip
        read_only_fields = fields


class InvoiceDetails(serializers.ModelSerializer[BillingAccount]):
    """What invoices from now on carry."""

    purchase_order = serializers.CharField(max_length=60, allow_blank=True)
    buyer = serializers.CharField(
        max_length=400, allow_blank=True, help_text="Name and address, line by line; empty: the organization's name."
    )

    class Meta:
        model = BillingAccount
        fields = ["purchase_order", "buyer"]


class PreviewShown(serializers.Serializer[Any]):
    """The running month if it ended now."""

    period_start = serializers.DateField()
    period_end = serializers.DateField()
    total_cents = serializers.IntegerField(help_text="Net: what tax there is comes on top.")
    tax = TaxShown()
    lines = InvoiceLineShown(many=True)
    energy = MonthEnergyShown(many=True)
