"""
Money that staff move by hand: a credit or a debit, a gift, a credit note, a write-off, a bank transfer; or how much
more somebody may owe. With a reason, and above a limit with a second person's word.
"""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.ids import PublicIdField
from accounts.models import Organization
from billing.models.invoice import InvoiceLine
from billing.models.ledger import Posting


class AdjustmentState(models.TextChoices):
    """How far an adjustment is."""

    WAITING = "waiting", "waiting for a second person"
    POSTED = "posted", "posted"
    REFUSED = "refused", "refused"
    EXPIRED = "expired", "not decided in time"


class AdjustmentKind(models.TextChoices):
    """What it does to the books."""

    ADJUSTMENT = "adjustment", "adjustment"
    GIFT = "gift", "promotional credit"
    CREDIT_NOTE = "credit_note", "credit note"
    WRITE_OFF = "write_off", "write-off"
    TRANSFER = "transfer", "bank transfer"
    CREDIT_RAISE = "credit_raise", "credit raise"


class Adjustment(models.Model):
    """
    One credit (more than nothing) or debit (less) to an organization's wallet. `words` are for the customer, `reason`
    for staff; of a gift, a credit note and a write-off the customer reads the reason too. One of a lease is a line of
    the month's invoice. `wanted` says the rest: of a gift its `key` and when it `expires_at`, of a transfer the bank's
    `reference` and when it was `received_at`, of others than gifts the `invoice`, of a credit note net cents by its
    `lines`. A credit raise is of a credit limit by so much, and moves no money: it has no posting, and `wanted` is all
    that was decided with it, and what held `before`. Nothing of it changes but its state, once.
    """

    public_id = PublicIdField(prefix="ad")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="adjustments")
    kind = models.CharField(max_length=12, choices=AdjustmentKind, default=AdjustmentKind.ADJUSTMENT)
    wanted = models.JSONField(default=dict, blank=True)
    lease = models.ForeignKey("leasing.Lease", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    invoice_line = models.ForeignKey(
        InvoiceLine, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="That it corrects."
    )
    amount_micros = models.BigIntegerField(help_text="Micro-dollars; less than nothing: taken from the wallet.")
    words = models.CharField(max_length=120, help_text="What the customer reads in the ledger.")
    reason = models.CharField(max_length=400, help_text="For staff; of some kinds the customer reads it too.")
    needs_second = models.BooleanField(help_text="By the limit when it was asked for.")
    state = models.CharField(max_length=8, choices=AdjustmentState)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="Without a second person's word by then it is off.")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    posting = models.OneToOneField(Posting, on_delete=models.PROTECT, null=True, blank=True, related_name="adjustment")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["expires_at"], name="adjustment_waiting", condition=Q(state="waiting"))]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=AdjustmentState.values), name="adjustment_state_is_known"),
            models.CheckConstraint(condition=Q(kind__in=AdjustmentKind.values), name="adjustment_kind_is_known"),
            models.CheckConstraint(condition=~Q(amount_micros=0), name="adjustment_moves_money"),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(words=""), name="adjustment_has_a_reason"),
            models.CheckConstraint(
                condition=Q(state="posted", posting__isnull=False) & ~Q(kind="credit_raise")
                | Q(posting=None) & (~Q(state="posted") | Q(kind="credit_raise")),
                name="adjustment_posts_when_decided",
            ),
            models.CheckConstraint(
                condition=Q(needs_second=False)
                | ~Q(state="posted")
                | Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by")),
                name="adjustment_has_two_people_above_the_limit",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at=None, needs_second=True)
                | ~Q(state="waiting") & Q(decided_at__isnull=False),
                name="adjustment_is_decided_once",
            ),
        ]
        triggers = [
            pgtrigger.FSM(
                name="adjustment_ends_once",
                field="state",
                transitions=[("waiting", "posted"), ("waiting", "refused"), ("waiting", "expired")],
            ),
            pgtrigger.Protect(name="adjustment_is_kept", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="adjustment_stays_as_asked",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "organization", "kind", "wanted", "lease", "invoice_line", "amount_micros", "words", "reason",
                    "needs_second", "asked_by", "asked_at",
                ),
            ),
        ]  # fmt: skip
        permissions = [("approve_adjustment", "Can decide on adjustments of others")]

    def __str__(self) -> str:
        return self.public_id

    @property
    def told_why(self) -> bool:
        """Whether the customer reads the reason."""
        return self.kind in (AdjustmentKind.GIFT, AdjustmentKind.CREDIT_NOTE, AdjustmentKind.WRITE_OFF)
