"""The agreement: which offer, how many nodes, from when, until when."""

from __future__ import annotations

from datetime import datetime

import pgtrigger
from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization, Stateful, TransitionRow
from leasing.states import (
    LEASE_OVER,
    LEASE_TRANSITIONS,
    LEASE_UNCOUNTED,
    METERED,
    POWER,
    InterruptionState,
    LeaseState,
)
from marketplace.models import Image, Offer, Rate, Terms

STARTUP_SCRIPT_BYTES = 16 * 1024
ENVIRONMENT_BYTES = 16 * 1024  # names and values together
PROJECT = "^[a-z0-9_-]*$"  # what a project tag is made of
PROJECT_LENGTH = 40
PROJECT_WORDS = "Use lower-case letters, digits, - and _, 40 at most."
ENVIRONMENT_PURPOSE = "lease environment"
# Promise number five: no lease is paused for power before the moment that its customer was told, or has agreed to.
AFTER_ITS_NOTICE = f"""
    IF NOT EXISTS (SELECT FROM leasing_interruption
                    WHERE lease_id = NEW.lease_id AND state = '{InterruptionState.PAUSING}'
                      AND NEW.at >= least(begins_at, ready_at)) THEN
        RAISE EXCEPTION 'lease % would be paused for power before its notice', NEW.lease_id
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


class OnFailure(models.TextChoices):
    ASK = "ask", "tell me, and wait for my choice"
    SWAP = "swap", "swap to an equal node at the site at once (what was on the failed one is lost)"


class Lease(Stateful):
    """Whole nodes for one organization. All of an order's nodes are held or none."""

    TRANSITIONS = LEASE_TRANSITIONS

    public_id = PublicIdField(prefix="ls")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="leases")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    name = models.CharField(max_length=80)
    slug = models.SlugField(
        max_length=40, default="lease", db_index=False, help_text="How the names of its machines begin; never changed."
    )
    project = models.CharField(
        max_length=PROJECT_LENGTH,
        blank=True,
        help_text="The customer's own tag; budgets may be set on it.",
        validators=[RegexValidator(PROJECT, PROJECT_WORDS)],
    )
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="leases")
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="+", help_text="As they were when ordered.")
    rate = models.ForeignKey(Rate, on_delete=models.PROTECT, related_name="+")
    node_count = models.PositiveSmallIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is given back.")
    guaranteed_until = models.DateTimeField(help_text="Until then nobody else can take the nodes.")
    guarantee_notice_at = models.DateTimeField(
        null=True, blank=True, help_text="When the customer was told that it cannot be renewed."
    )
    auto_extend_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="By how much it is extended before each end; empty: it is not."
    )
    auto_extend_max_micros = models.BigIntegerField(
        null=True, blank=True, help_text="Up to this price of a node-hour, micro-dollars; dearer time is not taken."
    )
    end_notice_at = models.DateTimeField(
        null=True, blank=True, help_text="When the customer was told that it ends; once for each end."
    )
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    startup_script = models.TextField(blank=True)
    environment = models.TextField(
        blank=True, editable=False, help_text="The customer's variables as JSON, sealed: secrets may be among them."
    )
    environment_names = models.JSONField(default=list, help_text="Their names, which may be shown.")
    same_fabric = models.BooleanField(default=False, help_text="All its nodes are of one fabric group.")
    on_failure = models.CharField(
        max_length=8, choices=OnFailure, default=OnFailure.ASK, help_text="What happens when a node fails mid-lease."
    )
    setup_version = models.PositiveIntegerField(
        default=1, help_text="Raised when keys, the deadline or a machine change; hosts follow."
    )
    replacements = models.PositiveSmallIntegerField(
        default=0, help_text="Machines replaced after a failed start; at most one."
    )

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-id"], name="lease_of_organization"),
            models.Index(
                fields=["organization"],
                name="lease_counted",
                condition=~models.Q(state__in=sorted(LEASE_UNCOUNTED)),
                include=["id", "state", "starts_at", "ends_at", "node_count", "offer"],  # an order asks for no more
            ),
            models.Index(fields=["state", "deadline"], name="lease_state_deadline"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=LeaseState.values), name="lease_state_is_known"),
            models.CheckConstraint(condition=models.Q(node_count__gte=1), name="lease_has_a_node"),
            models.CheckConstraint(condition=models.Q(project__regex=PROJECT), name="lease_project_is_a_tag"),
            models.CheckConstraint(
                condition=models.Q(auto_extend_seconds=None, auto_extend_max_micros=None)
                | models.Q(auto_extend_seconds__gte=1, auto_extend_max_micros__gte=0),
                name="lease_extends_itself_up_to_a_price",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at=None) | models.Q(ends_at__gt=models.F("starts_at")),
                name="lease_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def over(self) -> bool:
        """True once nothing can happen to it any more."""
        return self.state in LEASE_OVER

    @property
    def in_hands(self) -> bool:
        """True while the tenant is on its machines, and the meter runs."""
        return self.state in METERED

    @property
    def last_moment(self) -> datetime:
        """When it ends by itself unless it is renewed or given back."""
        return self.ends_at or self.guaranteed_until


class LeaseKey(models.Model):
    """An SSH key that the lease admits, as it was when it was added. Removing one removes the row; events keep it."""

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="keys")
    name = models.CharField(max_length=80)
    public_key = models.TextField()
    fingerprint = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lease", "fingerprint"], name="lease_key_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.fingerprint}"


class Transition(TransitionRow):
    """One change of a lease's state. Billing meters from these rows; nothing else tells it anything."""

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="transitions")

    class Meta:
        ordering = ["lease", "seq"]
        constraints = [models.UniqueConstraint(fields=["lease", "seq"], name="transition_once")]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="after_its_notice",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__new=LeaseState.PAUSED.value, new__reason=POWER),
                func=AFTER_ITS_NOTICE,
            ),
        ]
