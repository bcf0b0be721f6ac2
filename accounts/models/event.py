"""What happened, for ever: the append-only log behind activity, notices and the audit."""

import pgtrigger
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from accounts.ids import PublicIdField
from accounts.models.party import Organization


class Event(models.Model):
    """One thing that happened. `notice` (title, text, path) is present when people should be told by e-mail."""

    public_id = PublicIdField(prefix="ev")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, blank=True, related_name="events"
    )
    kind = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    actor = models.CharField(max_length=64)
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    notice = models.JSONField(null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-at", "-id"], name="event_by_organization"),
            models.Index(fields=["subject", "-at"], name="event_by_subject"),
            models.Index(fields=["at"], name="event_with_notice", condition=models.Q(notice__isnull=False)),
        ]
        triggers = [
            pgtrigger.Protect(name="event_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def words(self) -> str:
        """What happened, for people: the title of its notice, or else its kind, such as "SSH key added"."""
        plain = self.kind.replace(".", " ").replace("_", " ").capitalize().replace("Ssh", "SSH")
        return str((self.notice or {}).get("title", plain))


class Notice(models.Model):
    """One e-mail about one event to one address; written before it is sent, so that nobody is told twice."""

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="notices")
    recipient = models.EmailField()
    claimed_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "recipient"], name="notice_once")]
        indexes = [models.Index(fields=["id"], name="notice_unsent", condition=models.Q(sent_at=None))]

    def __str__(self) -> str:
        return f"{self.event} to {self.recipient}"
