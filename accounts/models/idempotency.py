"""The memory that makes a retried API call harmless."""

from django.db import models
from django.db.models.functions import Now

from accounts.models.party import Organization


class IdempotencyKey(models.Model):
    """A finished call and its answer. Committed together with the call's effect, or not at all."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    actor = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64, help_text="SHA-256 of method, path and canonical body.")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True, help_text="The answer as JSON text, so that a replay has the same bytes.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "actor", "key"], name="idempotency_key_once"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_by_age")]

    def __str__(self) -> str:
        return f"{self.actor} {self.key}"
