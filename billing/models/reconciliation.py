"""Our ledger beside the card processor's own account of the same money, day by day and to the cent."""

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.ids import PublicIdField
from accounts.models import Organization, User
from billing.models.ledger import APPEND_ONLY


class Movement(models.Model):
    """One movement of money at the processor, as it told it. Append-only."""

    reference = models.CharField(max_length=255, unique=True, help_text="The processor's balance transaction.")
    kind = models.CharField(max_length=60, help_text="In the processor's words: charge, refund, …")
    source = models.CharField(max_length=255, help_text="The processor's object that it is of; itself if of none.")
    at = models.DateTimeField()
    amount_cents = models.BigIntegerField(help_text="Before its fee; less than 0 when it goes out.")
    fee_cents = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["at"], name="movement_by_time"),
            models.Index(fields=["source"], name="movement_by_source"),
        ]
        triggers = [pgtrigger.Protect(name="movement_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class Reconciliation(models.Model):
    """
    A UTC day that was compared: the objects that moved at the processor or in our ledger on it, with all that each of
    them has moved since it exists. Append-only: what does not agree is a `Discrepancy`.
    """

    day = models.DateField(unique=True)
    objects_compared = models.PositiveIntegerField()
    processor_cents = models.BigIntegerField()
    ledger_cents = models.BigIntegerField()
    fees_cents = models.BigIntegerField(help_text="What the processor kept that day.")
    at = models.DateTimeField(help_text="When it was done.")

    class Meta:
        triggers = [pgtrigger.Protect(name="reconciliation_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.day}: {self.processor_cents} there, {self.ledger_cents} here"


class Discrepancy(models.Model):
    """
    An object that moved another amount at the processor than in our ledger. Open until both agree, or until a person
    has explained it, whose reason is kept.
    """

    public_id = PublicIdField(prefix="dc")
    day = models.DateField(help_text="On which it was found to differ.")
    source = models.CharField(max_length=255, help_text="The processor's object, or our posting where it has none.")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, blank=True, related_name="discrepancies"
    )
    processor_cents = models.BigIntegerField()
    ledger_cents = models.BigIntegerField()
    found_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True, help_text="When both agreed again.")
    explained_at = models.DateTimeField(null=True, blank=True)
    explained_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "discrepancies"
        ordering = ["-found_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"], condition=Q(gone_at=None, explained_at=None), name="discrepancy_open_once"
            ),
            models.CheckConstraint(
                condition=Q(explained_at=None, explained_by=None, reason="")
                | Q(explained_at__isnull=False, explained_by__isnull=False) & ~Q(reason=""),
                name="discrepancy_explained_has_who_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.processor_cents} there, {self.ledger_cents} here"
