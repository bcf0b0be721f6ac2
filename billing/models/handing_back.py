"""What agreed time that was handed back has cost, and has brought since."""

from django.db import models


class HandBack(models.Model):
    """
    The money side of one change that freed agreed time: its price at the agreed rate, what is kept of it as a fee, what
    the time that stays costs more, and what came back of the fee since others use the time. Micro-dollars.
    `credited_until` is how far their use has been looked at; closed once the freed time is past, or where nothing can
    come back.
    """

    change = models.OneToOneField("leasing.LeaseChange", on_delete=models.PROTECT, related_name="hand_back")
    price_micros = models.BigIntegerField(help_text="Of the agreed time that was handed back.")
    fee_micros = models.BigIntegerField(help_text="Kept of it.")
    repriced_micros = models.BigIntegerField(
        default=0, help_text="What the time that stays costs more, as a lease of its length does."
    )
    most_credit_micros = models.BigIntegerField(help_text="Comes back if others use all of it.")
    credited_micros = models.BigIntegerField(default=0)
    credited_until = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["credited_until"], name="hand_back_open", condition=models.Q(closed_at=None))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(fee_micros__gte=0, repriced_micros__gte=0)
                & models.Q(price_micros__gte=models.F("fee_micros") + models.F("repriced_micros")),
                name="hand_back_keeps_at_most_the_price",
            ),
            models.CheckConstraint(
                condition=models.Q(credited_micros__gte=0, credited_micros__lte=models.F("most_credit_micros"))
                & models.Q(most_credit_micros__lte=models.F("fee_micros")),
                name="hand_back_credits_at_most_the_fee",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.change}"

    @property
    def refund_micros(self) -> int:
        """Given back at once."""
        return self.price_micros - self.fee_micros - self.repriced_micros

    @property
    def closed(self) -> bool:
        """Whether no more can come back."""
        return self.closed_at is not None
