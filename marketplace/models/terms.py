"""The terms of a plan from a moment on, as data: what may be booked, what it obliges to, and what a change costs."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeGuard

import pgtrigger
from django.core.exceptions import ValidationError
from django.db import models

from marketplace.models.offer import Plan
from marketplace.money import discounted

ANNOUNCED_AHEAD = timedelta(days=7)  # a change of terms is known so long before it holds
Steps = list[list[int]]  # [from seconds, value], ascending: the last one that is reached counts


class Terms(models.Model):
    """
    Terms of every lease that is ordered while they are in force. A lease keeps those that it was ordered on.

    Never edited, only superseded by later ones. Lengths are seconds, shares whole per cent. The four schedules are
    lists of [from seconds, value], ascending.
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="terms")
    announced_at = models.DateTimeField(help_text="When customers were told.")
    starts_at = models.DateTimeField()

    # what may be booked
    min_seconds = models.PositiveIntegerField(help_text="Of the shortest lease.")
    max_seconds = models.PositiveIntegerField(help_text="Of the longest lease, extensions included.")
    granularity_seconds = models.PositiveIntegerField(help_text="Starts and ends fall on multiples of this.")
    offset_seconds = models.PositiveIntegerField(
        default=0, help_text="Shifts these multiples: 41,400 with days means 11:30 UTC."
    )
    may_start_now = models.BooleanField(default=False, help_text="A start at once is allowed off the multiples.")
    length_steps = models.JSONField(
        default=list, blank=True, help_text="From this length on, lengths are multiples of the value, in seconds."
    )
    lead_seconds = models.PositiveIntegerField(default=0, help_text="Between the order and the earliest start.")
    max_ahead_seconds = models.PositiveIntegerField(help_text="How far ahead a lease may start.")
    most_nodes = models.PositiveIntegerField(default=256, help_text="In one lease.")
    nodes_at_once = models.PositiveIntegerField(default=256, help_text="Of one organization, in all its leases.")
    nodes_at_once_new = models.PositiveIntegerField(default=256, help_text="The same for a new organization.")
    approval_required = models.BooleanField(default=False, help_text="Staff confirm each order.")
    approval_seconds = models.PositiveIntegerField(default=86_400, help_text="For how long nodes wait for staff.")
    hold_seconds = models.PositiveIntegerField(default=0, help_text="A quote can keep its nodes for so long.")

    # what it obliges the operator to
    cleaning_seconds = models.PositiveIntegerField(
        help_text="Kept free behind each lease for wiping; frozen in its claims."
    )
    start_deadline_seconds = models.PositiveIntegerField(help_text="A machine not ready by then has failed.")
    guarantee_seconds = models.PositiveIntegerField(help_text="How far ahead an open-ended lease is guaranteed.")
    renew_within_seconds = models.PositiveIntegerField(help_text="Renew the guarantee once less than this is left.")
    notice_seconds = models.PositiveIntegerField(
        default=0, help_text="Before the operator pauses it; 0: it never does."
    )
    interruptions_per_30_days = models.PositiveIntegerField(default=0)
    interruption_seconds_per_30_days = models.PositiveIntegerField(default=0)
    more_notice_seconds = models.PositiveIntegerField(
        default=0, help_text="By how much the tenant may have an interruption begin later, once."
    )

    # what it costs, and what a change costs
    discounts = models.JSONField(default=list, blank=True, help_text="From this length on, per cent off the rate.")
    cancel_refunds = models.JSONField(
        default=list, blank=True, help_text="Cancelled so long before the start, per cent of the price given back."
    )
    return_refund_percent = models.PositiveSmallIntegerField(
        default=100, help_text="Of the price of agreed time that is handed back."
    )
    resale_percent = models.PositiveSmallIntegerField(
        default=0, help_text="Of the price of handed-back time that somebody else uses, on top."
    )
    extend_until_seconds = models.PositiveIntegerField(
        default=0, help_text="Extensions are asked for at least so long before the end."
    )
    extend_from_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="And at most so long before it; empty: at any time."
    )

    class Meta:
        ordering = ["plan", "-starts_at"]
        verbose_name_plural = "terms"
        constraints = [
            models.UniqueConstraint(fields=["plan", "starts_at"], name="terms_once_per_moment"),
            models.CheckConstraint(condition=models.Q(granularity_seconds__gte=1), name="terms_have_a_granularity"),
            models.CheckConstraint(
                condition=models.Q(min_seconds__gte=1, min_seconds__lte=models.F("max_seconds")),
                name="terms_shortest_is_not_longer_than_longest",
            ),
            models.CheckConstraint(
                condition=models.Q(return_refund_percent__lte=100 - models.F("resale_percent")),
                name="terms_give_back_at_most_the_price",
            ),
            models.CheckConstraint(
                condition=models.Q(starts_at__gte=models.F("announced_at")), name="terms_are_announced_ahead"
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.plan} from {self.starts_at:%Y-%m-%d %H:%M} UTC"

    def clean(self) -> None:
        """
        The schedules: what the database does not look into.

        :raises ValidationError: naming each that is wrong, and what it must be
        """
        wrong = {name: _shares(getattr(self, name)) for name in ("discounts", "cancel_refunds")}
        wrong["length_steps"] = _multiples(self.length_steps, self.granularity_seconds or 1)
        if said := {name: message for name, message in wrong.items() if message}:
            raise ValidationError(said)

    def discount_percent(self, seconds: int | None) -> int:
        """Off the rate of a lease of this agreed length; none where it has no end (None)."""
        return 0 if seconds is None else reached(self.discounts, seconds, otherwise=0)

    def agreed_rate(self, list_micros_per_node_hour: int, seconds: int | None) -> int:
        """What a node-hour of a lease of this agreed length costs, micro-dollars. Pages and quotes ask the same."""
        percent = self.discount_percent(seconds)
        return discounted(micros_per_node_hour=list_micros_per_node_hour, percent=percent)

    def cancel_refund_percent(self, seconds: int) -> int:
        """Of the price, given back when it is cancelled so long before its start; all where nothing is said."""
        return reached(self.cancel_refunds, seconds, otherwise=100 if not self.cancel_refunds else 0)

    def length_step(self, seconds: int) -> int:
        """Of what a lease of about this length is a multiple."""
        return reached(self.length_steps, seconds, otherwise=1)


def _shares(steps: object) -> str:
    """What is wrong with a schedule of per cents; empty where nothing is."""
    fine = _ascending(steps) and all(value <= 100 for _, value in steps)
    return "" if fine else "Write [[from seconds, per cent], …], ascending, such as [[604800, 5], [2592000, 10]]."


def _multiples(steps: object, granularity: int) -> str:
    """The same of steps of length: each is a multiple of the granularity, and begins at a multiple of itself."""
    fine = _ascending(steps) and all(step and not (start % step or step % granularity) for start, step in steps)
    return (
        ""
        if fine
        else "Write [[from seconds, seconds], …], ascending, such as [[1209600, 604800]]: multiples of "
        "the granularity, each from a multiple of itself on."
    )


def _ascending(steps: object) -> TypeGuard[Steps]:
    """Whether it is a schedule at all."""
    if not isinstance(steps, list) or not all(isinstance(step, list) and len(step) == 2 for step in steps):
        return False
    whole = all(type(number) is int and number >= 0 for step in steps for number in step)
    return whole and [step[0] for step in steps] == sorted({step[0] for step in steps})


def reached(steps: Sequence[Sequence[int]], seconds: int, *, otherwise: int) -> int:
    """The value of the last step that `seconds` has reached."""
    return next((value for start, value in reversed(steps) if seconds >= start), otherwise)
