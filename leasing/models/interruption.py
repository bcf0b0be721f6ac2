"""A pause of a surplus lease for want of power: noticed ahead, within the budget of its terms, and never earlier."""

import pgtrigger
from django.db import models
from django.db.models import F, Func, Q

from accounts.ids import PublicIdField
from accounts.models import Stateful, TransitionRow
from leasing.models.lease import Lease
from leasing.states import INTERRUPTION_OPEN, INTERRUPTION_TRANSITIONS, InterruptionState
from marketplace.models import PlanKind

PROMISED = Func(
    F("notice_seconds"), template="make_interval(secs => %(expressions)s)", output_field=models.DurationField()
)
# Behind the operation's own check: whoever writes a row waits for the lease and counts what the terms allow anew.
WITHIN_BUDGET = f"""
    PERFORM FROM leasing_lease WHERE id = NEW.lease_id FOR NO KEY UPDATE;
    SELECT terms.notice_seconds, terms.interruptions_per_30_days AS most, plan.kind,
           terms.interruption_seconds_per_30_days AS most_seconds INTO allowed
      FROM leasing_lease AS lease JOIN marketplace_terms AS terms ON terms.id = lease.terms_id
      JOIN marketplace_plan AS plan ON plan.id = terms.plan_id
     WHERE lease.id = NEW.lease_id;
    IF allowed.kind <> '{PlanKind.SURPLUS}' OR allowed.notice_seconds = 0
       OR NEW.notice_seconds < allowed.notice_seconds THEN
        RAISE EXCEPTION 'this lease is never interrupted, or only after % s', allowed.notice_seconds
              USING ERRCODE = 'check_violation';
    END IF;
    SELECT count(*) AS times,
           coalesce(sum(extract(epoch FROM coalesce(over_at, ends_at) - coalesce(paused_at, begins_at))), 0) AS seconds
      INTO spent FROM leasing_interruption
     WHERE lease_id = NEW.lease_id AND coalesce(over_at, ends_at) > NEW.ends_at - interval '30 days'
       AND (paused_at IS NOT NULL OR state IN ('{InterruptionState.SCHEDULED}', '{InterruptionState.PAUSING}'));
    IF spent.times + 1 > allowed.most
       OR spent.seconds + extract(epoch FROM NEW.ends_at - NEW.begins_at) > allowed.most_seconds THEN
        RAISE EXCEPTION 'the interruption budget of 30 days is spent' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""  # noqa: S608  our own words
# Who was told says so in the row; where time is an argument (tests, benchmarks) the session says that it is given.
NOTICED_NOW = """
    IF NEW.noticed_at < clock_timestamp() - interval '10 seconds'
       AND current_setting('gridlease.time_is_given', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'the notice counts from now: it is % too late for one from %',
              clock_timestamp() - NEW.noticed_at, NEW.noticed_at USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


class InterruptionCause(models.TextChoices):
    SHORT = "short", "the site has less power than it needs"
    GRID = "grid", "the grid has asked the site to draw less"
    PRICE = "price", "power is too dear for a while"


class Interruption(Stateful):
    """
    One interruption of one lease. `noticed_at` is when the customer was told, by the database's clock; it begins at
    least `notice_seconds` later, unless the tenant is ready before.

    Billing reads from it what was short: seconds of the lease, to be multiplied by its nodes.
    """

    TRANSITIONS = INTERRUPTION_TRANSITIONS

    public_id = PublicIdField(prefix="in")
    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="interruptions")
    cause = models.CharField(max_length=12, choices=InterruptionCause)
    requested_by = models.CharField(max_length=60, help_text="Such as user:us_… or system:energy.")
    noticed_at = models.DateTimeField()
    notice_seconds = models.PositiveIntegerField(help_text="As the lease's terms promise.")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="When it is over at the latest.")
    more_seconds = models.PositiveIntegerField(default=0, help_text="By how much the tenant had it begin later; once.")
    ready_at = models.DateTimeField(null=True, blank=True, help_text="When the tenant said to be ready for it.")
    power_back_at = models.DateTimeField(null=True, blank=True, help_text="Since when there is power again.")
    paused_at = models.DateTimeField(null=True, blank=True, help_text="Since when the lease does not run.")
    over_at = models.DateTimeField(null=True, blank=True, help_text="Since when it is over.")
    short_seconds = models.PositiveIntegerField(
        default=0, help_text="By how much it had less than the promised notice; credited for each node by rule."
    )

    class Meta:
        ordering = ["lease", "-noticed_at"]
        indexes = [
            models.Index(
                fields=["deadline"], name="interruption_due", condition=Q(state__in=sorted(INTERRUPTION_OPEN))
            ),
            models.Index(fields=["requested_by"], name="interruption_requested"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=InterruptionState.values), name="interruption_state_is_known"),
            models.UniqueConstraint(
                fields=["lease"], condition=Q(state__in=sorted(INTERRUPTION_OPEN)), name="interruption_one_open"
            ),
            models.CheckConstraint(
                condition=Q(begins_at__gte=F("noticed_at") + PROMISED), name="interruption_is_noticed_ahead"
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("begins_at")), name="interruption_runs_forward"),
            models.CheckConstraint(
                condition=Q(paused_at=None) | Q(paused_at__gte=F("begins_at")) | Q(ready_at__lte=F("paused_at")),
                name="interruption_begins_when_it_was_said",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(name="noticed_now", when=pgtrigger.Before, operation=pgtrigger.Insert, func=NOTICED_NOW),
            pgtrigger.Trigger(
                name="within_budget",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                declare=[("allowed", "record"), ("spent", "record")],
                func=WITHIN_BUDGET,
            ),
            pgtrigger.Protect(
                name="never_worse",  # nothing that was promised to the tenant is taken back
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__ends_at__gt=pgtrigger.F("old__ends_at"))
                | pgtrigger.Q(new__begins_at__lt=pgtrigger.F("old__begins_at"))
                | pgtrigger.Q(new__noticed_at__df=pgtrigger.F("old__noticed_at"))
                | pgtrigger.Q(new__notice_seconds__df=pgtrigger.F("old__notice_seconds")),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} of {self.lease_id}"

    @property
    def words(self) -> str:
        """Its state in words."""
        return str(InterruptionState(self.state).label)


class InterruptionTransition(TransitionRow):
    """One change of an interruption's state."""

    interruption = models.ForeignKey(Interruption, on_delete=models.PROTECT, related_name="transitions")

    class Meta:
        ordering = ["interruption", "seq"]
        constraints = [models.UniqueConstraint(fields=["interruption", "seq"], name="interruption_transition_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
