"""Who: people, the companies they work for, and what they may do there."""

import functools
import zoneinfo
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower, Now

from accounts.ids import PublicIdField


@functools.cache
def time_zones() -> frozenset[str]:
    """IANA names such as "Africa/Nairobi", and "UTC"."""
    return frozenset(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")


def validate_time_zone(name: str) -> None:
    """Accept IANA names such as "Africa/Nairobi" only."""
    if name not in time_zones():
        raise ValidationError(f"“{name}” is not a time zone. Use an IANA name such as Europe/Berlin or UTC.")


class UserManager(BaseUserManager["User"]):
    """Makes users; e-mail addresses are kept in lower case, so that one person has one account."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A new user who logs in with `email`; without a password, only by a link or a passkey."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A member of staff with every permission in the admin."""
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user with this e-mail address, however it was capitalized."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Logs in with an e-mail address; works for organizations through memberships."""

    public_id = PublicIdField(prefix="us")
    email = models.EmailField(unique=True, error_messages={"unique": "This e-mail address has an account already."})
    name = models.CharField(max_length=120, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    is_staff = models.BooleanField(default=False, help_text="Works for the operator and may open the admin.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def actor(self) -> str:
        """How events name the person, such as "user:us_…"."""
        return f"user:{self.public_id}"

    def get_full_name(self) -> str:
        """The person's name, or the e-mail address while none is given."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """The first word of the name."""
        return self.get_full_name().split()[0]


class Organization(models.Model):
    """A customer company: it leases, pays, and owns keys and tokens."""

    public_id = PublicIdField(prefix="og")
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    data_retention_hours = models.PositiveIntegerField(
        default=24,
        validators=[MinValueValidator(0), MaxValueValidator(720)],
        help_text="Hours for which data on a node is kept when a lease ends for lack of money (0 to 720).",
    )
    ordering_hold = models.CharField(
        max_length=200,
        blank=True,
        help_text="Why it may not order for now (fraud check, screening); empty: it may. Never shown to the customer.",
    )
    members: "models.ManyToManyField[User, Membership]" = models.ManyToManyField(
        User, through="Membership", related_name="organizations"
    )

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member is in an organization; `accounts.access` says what each may do."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    ENGINEER = "engineer", "Engineer"
    FINANCE = "finance", "Finance"


class Membership(models.Model):
    """One person's role in one organization."""

    public_id = PublicIdField(prefix="mb")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"
