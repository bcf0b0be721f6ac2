"""What opens doors: SSH keys for nodes, tokens for the API. Neither row holds a secret."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from accounts.ids import PublicIdField
from accounts.models.party import Organization, User


class PresentKeys(models.Manager["SSHKey"]):
    """SSH keys that have not been removed."""

    def get_queryset(self) -> models.QuerySet["SSHKey"]:
        """Leaves removed keys out; rows that point at one still find it."""
        return super().get_queryset().filter(removed_at=None)


class SSHKey(models.Model):
    """A public key that an organization may put on its nodes. Removed keys stay, for the leases that used them."""

    public_id = PublicIdField(prefix="sk")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="ssh_keys")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=80)
    algorithm = models.CharField(max_length=64)
    public_key = models.TextField(help_text="Algorithm and base64, made again from the parsed key.")
    fingerprint = models.CharField(max_length=60)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PresentKeys()

    class Meta:
        verbose_name = "SSH key"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "fingerprint"], condition=models.Q(removed_at=None), name="ssh_key_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})"


class APIToken(models.Model):
    """A key to the API. The text is shown once; only its SHA-256 is kept."""

    public_id = PublicIdField(prefix="tk")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="api_tokens")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last4 = models.CharField(max_length=4, editable=False)
    scopes = ArrayField(models.CharField(max_length=32), help_text="What it may do, such as lease:read.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last4})"
