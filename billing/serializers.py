"""What the API of this app reads and shows. Amounts are whole micro-dollars (`_micros`) or cents (`_cents`)."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.models import Entry, HandBack, Invoice, InvoiceLine, Meter, Payment, Quote, Refund, Usage
from billing.queries import Reading, read
from billing.settlement import pay_url
from leasing.models import ENVIRONMENT_BYTES, STARTUP_SCRIPT_BYTES, ChangeKind, Lease, OnFailure
from leasing.operations import BadEnvironment, check_environment
from leasing.serializers import LONGEST_NAME, LeaseShown
from marketplace.queries import MOST_NODES

MOST_KEYS = 50


class QuoteShown(serializers.ModelSerializer[Quote]):
    """A price that is kept until `expires_at`."""

    id = serializers.CharField(source="public_id", help_text="Such as qt_…")
    offer = serializers.CharField(source="offer.public_id")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="Null: until it is given back.")
    hold_micros = serializers.IntegerField(help_text="Kept aside in the wallet when you order.")
    total_micros = serializers.IntegerField(allow_null=True, help_text="Price of the window; null without an end.")
    lease = serializers.CharField(source="lease.public_id", allow_null=True, default=None, help_text="Once ordered.")

    class Meta:
        model = Quote
        fields = [
            "id",
            "offer",
            "nodes",
            "starts_at",
            "ends_at",
            "micros_per_node_hour",
            "hold_micros",
            "total_micros",
            "created_at",
            "expires_at",
            "lease",
        ]
        read_only_fields = fields


class NewQuote(StrictSerializer):
    """What to price. On-demand offers take no times; reserved ones need both."""

    offer = serializers.CharField(help_text="Such as of_…")
    nodes = serializers.IntegerField(min_value=1, max_value=MOST_NODES, default=1)
    starts_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    ends_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class NewLease(StrictSerializer):
    """An order."""

    quote = serializers.CharField(help_text="Such as qt_…; used once.")
    name = serializers.CharField(max_length=LONGEST_NAME)
    ssh_keys = serializers.ListField(
        child=serializers.CharField(), min_length=1, max_length=MOST_KEYS, help_text="Ids such as sk_…: who may log in."
    )
    image = serializers.CharField(help_text="Slug of an image.")
    startup_script = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="Runs once as root; 16 KiB at most.",
    )
    environment = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        required=False,
        default=dict,
        help_text=f"Variables by name, secrets among them; {ENVIRONMENT_BYTES // 1024} KiB at most together. Values "
        "are stored encrypted and never shown again.",
    )
    on_failure = serializers.ChoiceField(
        choices=OnFailure.choices,
        default=OnFailure.ASK,
        help_text="When a node fails: `ask` you and wait, or `swap` it for an equal one at once.",
    )

    def validate_startup_script(self, text: str) -> str:
        """At most 16 KiB of UTF-8."""
        if len(text.encode()) > STARTUP_SCRIPT_BYTES:
            raise serializers.ValidationError(f"At most {STARTUP_SCRIPT_BYTES} bytes; let it fetch more.")
        return text

    def validate_environment(self, variables: dict[str, str]) -> dict[str, str]:
        """As a host can set them. A refusal names the variable, never its value."""
        try:
            check_environment(variables)
        except BadEnvironment as error:
            raise serializers.ValidationError(str(error)) from error
        return variables


class PricedLease(LeaseShown):
    """A lease with its money. Read it from `billing.queries.priced_leases`; `now` comes with the context."""

    charged_micros = serializers.SerializerMethodField(help_text="Cost up to now, to the second.")
    billed_seconds = serializers.SerializerMethodField(help_text="Whole seconds that the meter ran up to now.")
    outage_node_seconds = serializers.SerializerMethodField(
        help_text="In outages, and not charged: charged are billed_seconds × nodes less these."
    )
    held_micros = serializers.SerializerMethodField(help_text="Still kept aside for it in the wallet.")

    class Meta(LeaseShown.Meta):
        fields = [*LeaseShown.Meta.fields, "charged_micros", "billed_seconds", "outage_node_seconds", "held_micros"]
        read_only_fields = fields

    def get_charged_micros(self, lease: Lease) -> int:
        """What it costs so far."""
        return reading.due_micros if (reading := self._reading(lease)) else 0

    def get_billed_seconds(self, lease: Lease) -> int:
        """For how long."""
        return reading.seconds if (reading := self._reading(lease)) else 0

    def get_outage_node_seconds(self, lease: Lease) -> int:
        """How much of it no node served."""
        return reading.outage_seconds if (reading := self._reading(lease)) else 0

    def get_held_micros(self, lease: Lease) -> int:
        """What it may still use without asking."""
        return reading.held_micros if (reading := self._reading(lease)) else 0

    def _reading(self, lease: Lease) -> Reading | None:
        now: datetime = self.context["now"]
        meter: Meter | None = getattr(lease, "meter", None)
        return read(meter, at=now) if meter else None


class UsageShown(serializers.ModelSerializer[Usage]):
    """
    Use in a slice of time, at most one UTC hour: seconds × nodes - outage_node_seconds are charged. Negative where a
    late fact corrects earlier slices.
    """

    class Meta:
        model = Usage
        fields = ["from_at", "until_at", "seconds", "nodes", "outage_node_seconds", "micros_per_node_hour", "micros"]
        read_only_fields = fields


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


class HandBackValue(serializers.Serializer[Any]):
    """What handing back agreed time costs and brings; all zero for a lease without an agreed end."""

    kind = serializers.ChoiceField(choices=ChangeKind.choices)
    since = serializers.DateTimeField(help_text="Handed back is the time from here")
    until = serializers.DateTimeField(allow_null=True, help_text="to here; null where no end was agreed.")
    price_micros = serializers.IntegerField(help_text="Of that time, as agreed.")
    fee_micros = serializers.IntegerField(help_text="Kept of it.")
    refund_micros = serializers.IntegerField(help_text="Free in the wallet at once: price - fee.")
    resale_micros = serializers.IntegerField(help_text="At most so much of the fee comes back as others use the time.")


class HandBackShown(serializers.ModelSerializer[HandBack]):
    """Agreed time that was handed back, with what that cost and has brought so far."""

    id = serializers.CharField(source="change.public_id", help_text="Such as lc_…")
    kind = serializers.ChoiceField(choices=ChangeKind.choices, source="change.kind")
    at = serializers.DateTimeField(source="change.at")
    since = serializers.DateTimeField(source="change.new_ends_at", help_text="Handed back was the time from here")
    until = serializers.DateTimeField(source="change.old_ends_at", help_text="to here.")
    refund_micros = serializers.IntegerField(help_text="Free in the wallet at once: price - fee.")
    credit_closed = serializers.BooleanField(source="closed", help_text="True once no more can come back.")

    class Meta:
        model = HandBack
        fields = [
            "id",
            "kind",
            "at",
            "since",
            "until",
            "price_micros",
            "fee_micros",
            "refund_micros",
            "most_credit_micros",
            "credited_micros",
            "credit_closed",
        ]
        read_only_fields = fields


class NewEnd(StrictSerializer):
    """When a lease is to end."""

    ends_at = serializers.DateTimeField()


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
    micros_per_node_hour = serializers.IntegerField()
    charged_micros = serializers.IntegerField()
    lines = ReceiptLine(many=True)
    outages = CreditShown(source="credits", many=True)
    hand_backs = HandBackShown(many=True, help_text="Agreed time that was handed back: fees and credits.")
    total_micros = serializers.IntegerField(help_text="charged_micros, and fees less credits.")


class WalletShown(serializers.Serializer[Any]):
    """The organization's money now."""

    balance_micros = serializers.IntegerField(help_text="By the ledger.")
    accrued_micros = serializers.IntegerField(help_text="Used since the last posting.")
    held_micros = serializers.IntegerField(help_text="Kept aside for leases that are ordered or running.")
    available_micros = serializers.IntegerField(help_text="balance - accrued - held: what an order may use.")
    burn_micros_per_hour = serializers.IntegerField(help_text="Of on-demand leases that are running.")
    seconds_left = serializers.IntegerField(allow_null=True, help_text="For these leases; null if none runs.")
    refundable_cents = serializers.SerializerMethodField(help_text="What can go back to your cards.")

    def get_refundable_cents(self, _: object) -> int:
        """Said by the view, which looked it up."""
        return int(self.context["refundable_cents"])


class EntryShown(serializers.ModelSerializer[Entry]):
    """One movement in the wallet. Never changed or removed."""

    id = serializers.CharField(source="posting.public_id", help_text="Such as le_…")
    kind = serializers.CharField(source="posting.kind")
    at = serializers.DateTimeField(source="posting.at")
    balance_micros = serializers.IntegerField(help_text="The wallet's balance after it.")
    lease = serializers.CharField(source="posting.lease.public_id", allow_null=True, default=None)
    payment = serializers.CharField(source="posting.payment.public_id", allow_null=True, default=None)
    memo = serializers.CharField(source="posting.memo")

    class Meta:
        model = Entry
        fields = ["id", "kind", "at", "amount_micros", "balance_micros", "lease", "payment", "memo"]
        read_only_fields = fields


class InvoiceLineShown(serializers.ModelSerializer[InvoiceLine]):
    """
    One lease in the month: its use, or a fee or credit for agreed time that was handed back. `micros` is exact, `cents`
    is rounded half up, here and nowhere else.
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
    """An invoice with its lines, by lease."""

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


class TopUpShown(serializers.ModelSerializer[Payment]):
    """A payment into the wallet. It counts once its state is `paid`."""

    id = serializers.CharField(source="public_id", help_text="Such as pm_…")
    checkout_url = serializers.SerializerMethodField(help_text="Open it in a browser to pay; null once nothing is due.")

    class Meta:
        model = Payment
        fields = [
            "id",
            "amount_cents",
            "state",
            "error",
            "refunded_cents",
            "created_at",
            "settled_at",
            "checkout_url",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_checkout_url(self, payment: Payment) -> str | None:
        """Leads on to the processor's page."""
        return pay_url(payment)


class NewTopUp(StrictSerializer):
    """How much to pay in."""

    amount_cents = serializers.IntegerField(help_text="1000 to 5000000: $10.00 to $50,000.00.")


class RefundShown(serializers.ModelSerializer[Refund]):
    """Money on its way back to the card of one payment."""

    id = serializers.CharField(source="public_id", help_text="Such as rf_…")
    payment = serializers.CharField(source="payment.public_id")

    class Meta:
        model = Refund
        fields = ["id", "payment", "amount_cents", "state", "error", "created_at", "settled_at"]
        read_only_fields = fields


class NewRefund(StrictSerializer):
    """How much to pay back."""

    amount_cents = serializers.IntegerField(min_value=1, help_text="At most the wallet's refundable_cents.")
