"""Promotional credit: money that was given, is spent before any other, and may end."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.ids import PublicIdField
from accounts.models import Organization
from billing.models.ledger import APPEND_ONLY, Posting


class CreditGrant(models.Model):
    """
    A gift of promotional credit, part of the wallet's balance. `remaining_micros` is what is neither spent nor lapsed.

    Once `lapsed_at` is set nothing of it can be spent but what was used, or kept aside for orders, before it ended.
    """

    public_id = PublicIdField(prefix="cg")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="credit_grants")
    posting = models.OneToOneField(Posting, on_delete=models.PROTECT, related_name="credit_grant")
    amount_micros = models.BigIntegerField()
    remaining_micros = models.BigIntegerField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="It can be spent before then. Empty: for ever.")
    lapsed_at = models.DateTimeField(null=True, blank=True, help_text="When what was left of it was taken back.")
    reason = models.CharField(max_length=200, help_text="The customer reads it.")
    given_by = models.CharField(max_length=80, help_text="Actor, such as user:us_….")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["organization", "expires_at"], name="credit_left", condition=Q(remaining_micros__gt=0))
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0, remaining_micros__gte=0, remaining_micros__lte=F("amount_micros")),
                name="credit_is_spent_once",
            ),
            models.CheckConstraint(
                condition=Q(lapsed_at=None) | Q(expires_at__isnull=False, lapsed_at__gte=F("expires_at")),
                name="credit_lapses_after_its_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} of {self.organization}"


class CreditUse(models.Model):
    """What one posting took of a grant. Never edited."""

    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="uses")
    posting = models.ForeignKey(Posting, on_delete=models.PROTECT, related_name="credit_uses")
    micros = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["posting", "grant"], name="credit_use_once"),
            models.CheckConstraint(condition=Q(micros__gt=0), name="credit_use_takes_something"),
        ]
        triggers = [pgtrigger.Protect(name="credit_use_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.micros} of {self.grant_id}"
