"""What the continuous recount of usage by another way has found."""

from django.db import models

from accounts.models import Organization


class Recount(models.Model):
    """When an organization's usage was last counted a second time; the longest ago is next."""

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="recount"
    )
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["at"], name="recount_oldest")]

    def __str__(self) -> str:
        return f"{self.organization} at {self.at:%Y-%m-%d %H:%M:%S} UTC"


class Difference(models.Model):
    """A lease that owes for a month, by its facts, another amount than was charged. Open until both agree again."""

    lease = models.ForeignKey("leasing.Lease", on_delete=models.PROTECT, related_name="+")
    month = models.DateField(help_text="Its first day, UTC.")
    owed_micros = models.BigIntegerField(help_text="By transitions, outages and prices.")
    posted_micros = models.BigIntegerField(help_text="By usage and its corrections.")
    found_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-found_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["lease", "month"], condition=models.Q(gone_at=None), name="difference_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.lease} in {self.month:%B %Y}: {self.owed_micros} owed, {self.posted_micros} posted"
