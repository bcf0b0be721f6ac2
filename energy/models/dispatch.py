"""What sites should do with their power, what they are told to do, and who may decide that."""

from typing import Any

import pgtrigger
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q

from accounts.ids import PublicIdField
from accounts.models import Stateful, TransitionRow
from energy.models.miner import MinerClass
from energy.states import COMMAND_OPEN, COMMAND_TRANSITIONS, ENDED, CommandState
from leasing.models import Lease
from marketplace.models import Site


class SitePolicy(models.Model):
    """What may be done at a site without asking a person. Without a row: nothing."""

    site = models.OneToOneField(Site, on_delete=models.PROTECT, related_name="power_policy")
    automatic = models.BooleanField(
        default=False,
        help_text="Off: everything is a proposal for a person. Have counsel look before it is switched on.",
    )
    most_watts_per_step = models.PositiveBigIntegerField(
        default=0, help_text="The most that one command may change by itself, watts at the plug."
    )
    classes: Any = models.ManyToManyField(
        MinerClass, blank=True, related_name="+", help_text="The only miners that may be told by itself."
    )
    most_battery_watts = models.PositiveBigIntegerField(
        default=0, help_text="The most that its battery may be told by itself to give or to take, watts; 0: nothing."
    )
    battery_reserve_percent = models.PositiveSmallIntegerField(
        default=30,
        validators=[MaxValueValidator(100)],
        help_text="What it does by itself leaves so much in the battery, of what that can hold.",
    )
    least_notice_seconds = models.PositiveIntegerField(
        default=0, help_text="A command waits for so long, and a person may still call it off."
    )

    class Meta:
        ordering = ["site"]
        verbose_name_plural = "site policies"
        constraints = [
            models.CheckConstraint(condition=Q(battery_reserve_percent__lte=100), name="policy_reserve_is_a_share"),
        ]

    def __str__(self) -> str:
        return f"{self.site}: {'automatic within limits' if self.automatic else 'proposals only'}"


class PowerPlan(models.Model):
    """A site's quarter of an hour: what was known, what was decided, and what is expected of the next 48 hours."""

    class Basis(models.TextChoices):
        PLAN = "plan", "plan"
        RULE = "rule", "rule without a plan"

    public_id = PublicIdField(prefix="pp")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="power_plans")
    starts_at = models.DateTimeField(help_text="Valid from.")
    ends_at = models.DateTimeField(help_text="Valid until.")
    made_at = models.DateTimeField()
    basis = models.CharField(max_length=8, choices=Basis)
    why = models.CharField(max_length=300, blank=True, help_text="Why it is the rule's; empty for a plan.")
    inputs: Any = models.JSONField(help_text="What it was made from, each with its age in seconds.")
    seen: Any = models.JSONField(help_text="Watts at the meter of each use and source when it was made.")
    targets: Any = models.JSONField(help_text="Watts at the meter for each use; miners by class.")
    ahead: Any = models.JSONField(default=list, help_text="The same for each hour of the next 48; empty for a rule.")
    internal_micros_per_mwh = models.BigIntegerField(
        null=True, blank=True, help_text="What one more MWh at the site would cost now; empty for a rule."
    )
    budget_watts = models.BigIntegerField(default=0, help_text="The import peak that plans run under.")
    budget_at = models.DateTimeField(null=True, blank=True, help_text="When that was planned, to the period's end.")

    class Meta:
        ordering = ["site", "-starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["site", "starts_at"], name="power_plan_once_a_step"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="power_plan_takes_some_time"),
            models.CheckConstraint(condition=Q(basis__in=["plan", "rule"]), name="power_plan_basis_is_known"),
        ]
        triggers = [pgtrigger.Protect(name="not_rewritten", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.site_id} from {self.starts_at:%Y-%m-%d %H:%M} UTC"


class Command(Stateful):
    """
    One thing that a site is told: how much its miners may draw, what its battery gives, which nodes that nobody has are
    off, or a pause of one surplus lease. `target` is what, `before` what to go back to (without watts, a battery's own
    control); it holds until `ends_at`, and then the opposite is told, unless what was told ends by itself.
    """

    TRANSITIONS = COMMAND_TRANSITIONS

    class Kind(models.TextChoices):
        MINERS = "miners", "miners"
        BATTERY = "battery", "battery"
        IDLE = "idle", "idle nodes"
        SURPLUS = "surplus", "surplus lease"

    public_id = PublicIdField(prefix="pc")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="power_commands")
    kind = models.CharField(max_length=8, choices=Kind)
    lease = models.ForeignKey(Lease, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=300)
    inputs: Any = models.JSONField(help_text="What it was decided from: the plan, or the grid event.")
    target: Any = models.JSONField(
        help_text="Watts at the plug by class of miners, of the battery (below 0: charged); the nodes; or of the pause."
    )
    before: Any = models.JSONField(default=dict)
    touches: Any = models.JSONField(default=list, help_text="Whom and what, in words.")
    watts = models.BigIntegerField(help_text="By how much the site draws less, watts at the meter; below 0: more.")
    cost_micros = models.BigIntegerField(default=0, help_text="What it forgoes or credits, energy not counted.")
    urgent = models.BooleanField(default=False)
    event = models.CharField(max_length=40, blank=True, help_text="Of one grid event.")
    undoes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by", editable=False
    )
    proposed_by = models.CharField(max_length=60)
    due_at = models.DateTimeField(help_text="When it is to be told.")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="When the opposite is told; empty: it stays.")
    outcome: Any = models.JSONField(default=dict, help_text="What came of it, and what was read back.")

    class Meta:
        ordering = ["-state_since", "-pk"]
        indexes = [
            models.Index(fields=["deadline"], name="command_due", condition=Q(state__in=sorted(COMMAND_OPEN))),
            models.Index(  # those that something leads back from: events, and few of them
                fields=["ends_at"],
                name="command_over",
                condition=Q(state__in=ENDED, undoes=None, ends_at__isnull=False) & ~Q(before={}),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=CommandState.values), name="command_state_is_known"),
            models.CheckConstraint(
                condition=Q(deadline__isnull=False) | ~Q(state__in=sorted(COMMAND_OPEN)), name="command_has_a_deadline"
            ),
            models.CheckConstraint(
                condition=Q(kind="surplus", lease__isnull=False) | ~Q(kind="surplus") & Q(lease=None),
                name="command_pauses_a_lease",
            ),
            models.UniqueConstraint(
                fields=["site", "kind", "lease"],
                condition=Q(state="proposed"),
                nulls_distinct=False,
                name="command_one_proposal",
            ),
            models.UniqueConstraint(
                fields=["event", "kind", "lease"],
                condition=~Q(event=""),
                nulls_distinct=False,
                name="command_once_an_event",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} to {self.site_id}"

    @property
    def undoable(self) -> bool:
        """Whether it was carried out, or nodes are kept free for it, and its opposite was not told yet."""
        kept = self.state == CommandState.SENT and self.kind == self.Kind.IDLE
        told = self.state in {CommandState.DONE, CommandState.FAILED} or kept
        return told and self.undoes_id is None and not hasattr(self, "undone_by")

    @property
    def words(self) -> str:
        """Its state in words."""
        return str(CommandState(self.state).label)


class CommandTransition(TransitionRow):
    """One change of a command's state."""

    command = models.ForeignKey(Command, on_delete=models.PROTECT, related_name="transitions")

    class Meta:
        ordering = ["command", "seq"]
        constraints = [models.UniqueConstraint(fields=["command", "seq"], name="command_transition_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
