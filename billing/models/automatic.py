"""Topping up by itself: when, by how much, and how much in a month at most."""

from django.db import models
from django.db.models import F, Q

from accounts.models import Organization


class AutoTopUp(models.Model):
    """
    An organization's wish that its default card be charged whenever less than `threshold_cents` is available.

    `ceiling_cents` caps each UTC calendar month. `failures` counts tries without success since the last one that
    succeeded; the next comes at `next_attempt_at`, if that is set. Whoever switches it on begins anew.
    """

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="auto_top_up"
    )
    active = models.BooleanField(default=False)
    threshold_cents = models.BigIntegerField()
    amount_cents = models.BigIntegerField()
    ceiling_cents = models.BigIntegerField(help_text="In each UTC calendar month, at most.")
    failures = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    ceiling_told_for = models.DateField(null=True, blank=True, help_text="The month whose ceiling was told of.")
    off_reason = models.CharField(max_length=300, blank=True, help_text="Why it switched itself off, for people.")
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=80, help_text="Actor, such as user:us_….")

    class Meta:
        indexes = [models.Index(fields=["organization"], name="auto_top_up_active", condition=Q(active=True))]
        constraints = [
            models.CheckConstraint(
                condition=Q(threshold_cents__gte=0, amount_cents__gt=0, ceiling_cents__gte=F("amount_cents")),
                name="auto_top_up_fits_its_ceiling",
            )
        ]

    def __str__(self) -> str:
        return f"automatic top-up of {self.organization}"
