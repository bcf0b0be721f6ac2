"""Beside the processor's messages: those that were not its, and how far its objects were looked through."""

from django.db import models


class Forgery(models.Model):
    """How many messages were refused on a UTC day for one reason. Many are an attack, or a changed secret."""

    day = models.DateField()
    reason = models.CharField(max_length=80)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "forgeries"
        constraints = [models.UniqueConstraint(fields=["day", "reason"], name="forgery_counted_by_day_and_reason")]

    def __str__(self) -> str:
        return f"{self.count} × {self.reason} on {self.day}"


class Watermark(models.Model):
    """Up to when the processor's objects of a kind were looked through, message or not."""

    kind = models.CharField(primary_key=True, max_length=40)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.kind} until {self.at:%Y-%m-%d %H:%M:%S} UTC"
