"""What a customer is credited when a promise is not kept: the rules, by version, and what was credited by them."""

from datetime import timedelta

import pgtrigger
from django.db import models
from django.db.models import Q

from billing.models.ledger import APPEND_ONLY, Posting

RULES_AHEAD = timedelta(days=7)  # a change of a rule is known so long before it holds


class Promise(models.TextChoices):
    """What was promised, and not kept."""

    OUTAGE = "outage", "a node did not serve"
    LATE_START = "late_start", "the lease began later than agreed"
    SHORT_NOTICE = "short_notice", "a pause was announced too late"


class CreditRule(models.Model):
    """
    Of each node-second of a broken promise, `percent` of its price is credited, from `from_seconds` of it on; all
    credits of a UTC month together are at most `most_percent` of what the lease costs in that month.

    Never edited, only superseded by a later one of its kind. A lease keeps those that held when it was ordered.
    """

    kind = models.CharField(max_length=12, choices=Promise)
    announced_at = models.DateTimeField(help_text="When it was published.")
    starts_at = models.DateTimeField(help_text="It is for leases that are ordered from then on.")
    from_seconds = models.PositiveIntegerField(
        help_text="What is shorter is not credited; the rest from its beginning."
    )
    percent = models.PositiveIntegerField(help_text="Of the price of that time, besides its being free; 500: 5 times.")
    most_percent = models.PositiveIntegerField(help_text="Of what the lease costs in the month, for all credits in it.")

    class Meta:
        ordering = ["kind", "-starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "starts_at"], name="credit_rule_once_per_moment"),
            models.CheckConstraint(condition=Q(kind__in=Promise.values), name="credit_rule_kind_is_known"),
            models.CheckConstraint(
                condition=Q(percent__lte=10_000, most_percent__lte=100), name="credit_rule_has_bounds"
            ),
            models.CheckConstraint(
                condition=Q(starts_at__gte=models.F("announced_at")), name="credit_rule_is_announced_ahead"
            ),
        ]
        triggers = [pgtrigger.Protect(name="credit_rule_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.kind} from {self.starts_at:%Y-%m-%d %H:%M} UTC"


class RuleCredit(models.Model):
    """
    One posting by a rule, for one fact: an outage, or the transition with which a lease began late or was paused. The
    first says what the fact is worth by what was known; each later one, signed, what a change of the fact changed.
    """

    posting = models.OneToOneField(Posting, on_delete=models.PROTECT, related_name="rule_credit")
    lease = models.ForeignKey("leasing.Lease", on_delete=models.PROTECT, related_name="rule_credits")
    rule = models.ForeignKey(CreditRule, on_delete=models.PROTECT, related_name="credits")
    outage = models.ForeignKey("leasing.Outage", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    transition = models.ForeignKey(
        "leasing.Transition", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    fact_at = models.DateTimeField(help_text="When the promise was broken; its month has the cap.")
    node_seconds = models.BigIntegerField(help_text="Of the broken promise, as known by then.")
    micros = models.BigIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outage=None, transition__isnull=False) | Q(outage__isnull=False, transition=None),
                name="rule_credit_is_for_one_fact",
            ),
            models.CheckConstraint(condition=~Q(micros=0), name="rule_credit_moves_money"),
        ]
        triggers = [pgtrigger.Protect(name="rule_credit_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.micros} for {self.fact}"

    @property
    def fact(self) -> tuple[int | None, int | None]:
        """The keys of the outage or the transition."""
        return self.outage_id, self.transition_id
