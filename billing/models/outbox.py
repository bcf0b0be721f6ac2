"""The outbox: every call to the card processor that must have its effect exactly once."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q

from accounts.ids import PublicIdField
from accounts.models import Organization


class CallKind(models.TextChoices):
    """What a call is for. `billing.sending` has what is done with its answer."""

    CUSTOMER = "customer", "make the customer known"
    CHECKOUT = "checkout", "open a page to pay at"
    REFUND = "refund", "send money back to a card"
    CARD_PAGE = "card_page", "open a page to save a card at"
    CARD_RELEASE = "card_release", "let a saved card go"
    CHARGE = "charge", "charge a saved card"
    CONFIRM = "confirm", "lead a card's owner to the bank"
    CALL_OFF = "call_off", "call off a charge"
    TAX_ID = "tax_id", "have a tax id checked"
    TAX_ID_OFF = "tax_id_off", "take a tax id off a customer"
    ADDRESS = "address", "tell where a customer is"
    TAX_CALCULATION = "tax_calculation", "work out the tax on a month"
    TAX_RECORD = "tax_record", "take note of the tax on an invoice"
    TAX_REVERSAL = "tax_reversal", "take note of the tax on a credit note"
    BILLED_CARD = "billed_card", "charge months to a card"
    METER = "meter", "make the meter"
    METERED_PRICE = "metered_price", "make the price of what is metered"
    SUBSCRIPTION = "subscription", "bill by the month"
    SUBSCRIPTION_TAX = "subscription_tax", "work out tax on months, or not"
    SUBSCRIPTION_END = "subscription_end", "end or go on billing by the month"
    METER_EVENT = "meter_event", "count what was charged"
    INVOICE_ITEM = "invoice_item", "put on the next invoice"


class CallState(models.TextChoices):
    """How far a call is."""

    PENDING = "pending", "to be sent"  # again and again, with the same key and body
    UNCERTAIN = "uncertain", "may have happened"  # the processor has forgotten the key: it is only looked for
    DONE = "done", "done"
    FAILED = "failed", "refused"


class GatewayCall(models.Model):
    """
    One call, written in the transaction that wants it and sent after it. Its public id is the idempotency key and, as
    metadata `call_id`, the mark by which its object is found again. Method, path and body never change.

    An organization's calls are sent one after the other, in the order in which they were written; the database allows
    one in flight.
    """

    public_id = PublicIdField(prefix="gc")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="gateway_calls")
    kind = models.CharField(max_length=24, choices=CallKind)
    subject = models.CharField(max_length=120, help_text="What it is about, such as our public id; one call for each.")
    method = models.CharField(max_length=6, default="post", help_text="post or delete.")
    path = models.CharField(max_length=200)
    body = models.JSONField(encoder=DjangoJSONEncoder)
    state = models.CharField(max_length=10, choices=CallState, default=CallState.PENDING)
    in_flight_until = models.DateTimeField(null=True, blank=True, help_text="A worker has it; taken for dead then.")
    created_at = models.DateTimeField()
    first_sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    reference = models.CharField(max_length=255, blank=True, help_text="The processor's object.")
    answer = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder, help_text="The object, as answered.")
    error_code = models.CharField(max_length=80, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="gateway_call_open",
                condition=Q(state__in=["pending", "uncertain"]),
            ),
            models.Index(
                fields=["organization", "id"],
                name="gateway_call_in_line",
                condition=Q(state__in=["pending", "uncertain"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject"], name="gateway_call_once"),
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(in_flight_until__isnull=False),
                name="gateway_call_one_in_flight",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "uncertain"], settled_at=None)
                | Q(state__in=["done", "failed"], settled_at__isnull=False, in_flight_until=None),
                name="gateway_call_settles_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"


class Pace(models.Model):
    """When an endpoint of the processor may be called next. One statement of `billing.pacing` reads and moves it."""

    endpoint = models.CharField(primary_key=True, max_length=200)
    free_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.endpoint} from {self.free_at:%H:%M:%S.%f} UTC"
