"""What a lease or a month has cost, on paper: receipts and invoices."""

from typing import Any

from rest_framework import serializers

from billing.models import Invoice, InvoiceLine
from billing.serializers.handing_back import HandBackShown
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
        fields = ["id", "number", "period_start", "period_end", "issued_at", "total_cents"]
        read_only_fields = fields


class InvoiceWithLines(InvoiceShown):
    """An invoice with its lines, by lease, and by price."""

    lines = InvoiceLineShown(many=True)

    class Meta(InvoiceShown.Meta):
        fields = [*InvoiceShown.Meta.fields, "lines"]
        read_only_fields = fields


class PreviewShown(serializers.Serializer[Any]):
    """The running month if it ended now."""

    period_start = serializers.DateField()
    period_end = serializers.DateField()
    total_cents = serializers.IntegerField()
    lines = InvoiceLineShown(many=True)
