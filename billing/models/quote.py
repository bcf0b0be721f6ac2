"""A priced, expiring offer."""

from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization


class Quote(models.Model):
    """A price for nodes and a window, kept until `expires_at`; used once. Open-ended without `ends_at`."""

    public_id = PublicIdField(prefix="qt")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="quotes")
    offer = models.ForeignKey("marketplace.Offer", on_delete=models.PROTECT, related_name="+")
    terms = models.ForeignKey("marketplace.Terms", on_delete=models.PROTECT, related_name="+")
    rate = models.ForeignKey("marketplace.Rate", on_delete=models.PROTECT, related_name="+")
    nodes = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    list_micros_per_node_hour = models.BigIntegerField(help_text="By the rate, before any discount.")
    discount_percent = models.PositiveSmallIntegerField(default=0, help_text="For the agreed length.")
    micros_per_node_hour = models.BigIntegerField(help_text="Micro-dollars per node-hour, discount taken off.")
    hold_micros = models.BigIntegerField(help_text="Kept aside when ordered: the window, or the first hour.")
    total_micros = models.BigIntegerField(null=True, blank=True, help_text="Price of the window, if it has an end.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    holds_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then nobody else can take its nodes; empty: it holds none."
    )
    lease = models.OneToOneField(
        "leasing.Lease", on_delete=models.PROTECT, null=True, blank=True, related_name="quote", editable=False
    )

    class Meta:
        indexes = [models.Index(fields=["organization", "-id"], name="quote_by_organization")]
        constraints = [
            models.CheckConstraint(condition=models.Q(nodes__gte=1), name="quote_has_nodes"),
            models.UniqueConstraint(
                fields=["organization", "offer"],
                condition=models.Q(holds_until__isnull=False),
                name="quote_holds_nodes_of_an_offer_once",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at=None) | models.Q(ends_at__gt=models.F("starts_at")),
                name="quote_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
