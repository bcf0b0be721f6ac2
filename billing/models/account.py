"""How an organization pays: before, by the month, or against our invoice. One ledger serves all three."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import models

from accounts.models import Organization
from marketplace.money import MICROS


class BillingMode(models.TextChoices):
    """When money comes in. What is used is posted in the same way, and the wallet says what is owed."""

    PREPAID = "prepaid", "from the wallet, topped up before"
    METERED = "metered", "by card, at the end of each month"
    INVOICED = "invoiced", "by transfer, 30 days after our invoice"


class TrustLevel(models.TextChoices):
    """How far we trust that an organization pays; staff say so, with a reason."""

    NEW = "new", "new: as long as its payments have stood"
    KNOWN = "known", "known"
    TRUSTED = "trusted", "trusted"
    ENTERPRISE = "enterprise", "enterprise"


@dataclass(frozen=True)
class Trust:
    """
    What a level gives unless staff say otherwise: micro-dollars of credit for who pays later, and how many times the
    nodes at once that a plan's terms allow; None: as the terms say for new organizations and for others.
    """

    credit_micros: int
    nodes_times: int | None


TRUST: Mapping[TrustLevel, Trust] = {
    TrustLevel.NEW: Trust(0, None),
    TrustLevel.KNOWN: Trust(1_000 * MICROS, 1),
    TrustLevel.TRUSTED: Trust(10_000 * MICROS, 2),
    TrustLevel.ENTERPRISE: Trust(100_000 * MICROS, 4),
}


class BillingAccount(models.Model):
    """
    How an organization pays, and how far it is trusted. Made on first use, prepaid; staff decide on anything else.

    `credit_micros` is how far its wallet may go below nothing: 0 for whoever pays before.
    """

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="billing_account"
    )
    mode = models.CharField(max_length=10, choices=BillingMode, default=BillingMode.PREPAID)
    trust = models.CharField(max_length=10, choices=TrustLevel, default=TrustLevel.NEW)
    credit_micros = models.BigIntegerField(default=0, help_text="Micro-dollars that it may owe at most.")
    customer_reference = models.CharField(
        max_length=255, null=True, blank=True, unique=True, help_text="The card processor's customer."
    )
    suspended_at = models.DateTimeField(null=True, blank=True, help_text="Since when it may not order or extend.")
    suspended_reason = models.CharField(max_length=200, blank=True, help_text="For staff; shown to nobody else.")

    buyer = models.TextField(
        blank=True,
        max_length=400,
        help_text="Name and address on invoices, line by line; empty: those of the tax profile.",
    )
    purchase_order = models.CharField(
        max_length=60, blank=True, help_text="The customer's own number, for its invoices."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(mode__in=BillingMode.values), name="billing_mode_is_known"),
            models.CheckConstraint(condition=models.Q(trust__in=TrustLevel.values), name="billing_trust_is_known"),
            models.CheckConstraint(
                condition=models.Q(mode="prepaid", credit_micros=0)
                | models.Q(credit_micros__gte=0) & ~models.Q(mode="prepaid"),
                name="billing_credit_is_for_who_pays_later",
            ),
            models.CheckConstraint(
                condition=models.Q(suspended_at=None, suspended_reason="")
                | models.Q(suspended_at__isnull=False) & ~models.Q(suspended_reason=""),
                name="billing_suspension_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization}: {self.get_mode_display()}"

    @property
    def terms(self) -> dict[str, str | int]:
        """How it pays, how far it is trusted, and its credit, as events and rows of adjustments name them."""
        return {"mode": self.mode, "trust": self.trust, "credit_micros": self.credit_micros}
