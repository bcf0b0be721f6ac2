"""What an organization wants to spend in a month at most. A cap, not a wish: orders that do not fit are refused."""

from django.conf import settings
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization
from leasing.models import PROJECT_LENGTH

PERCENTS = (50, 80, 100)


class Budget(models.Model):
    """
    A cap on each UTC calendar month, for one project tag or, without one, for everything that the organization leases.

    One that was removed caps nothing; its row stays, for those who look back.
    """

    public_id = PublicIdField(prefix="bg")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="budgets")
    project = models.CharField(max_length=PROJECT_LENGTH, blank=True, help_text="Empty: the whole organization.")
    limit_micros = models.BigIntegerField(help_text="Micro-dollars for each UTC calendar month.")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=80, help_text="Actor, such as user:us_….")

    class Meta:
        ordering = ["organization", "project", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "project"], condition=models.Q(active=True), name="budget_once"
            ),
            models.CheckConstraint(condition=models.Q(limit_micros__gt=0), name="budget_limits_something"),
        ]

    def __str__(self) -> str:
        return f"{self.label} of {self.organization}"

    @property
    def label(self) -> str:
        """What it is on, in words."""
        return f"project {self.project}" if self.project else "the whole organization"

    def covers(self, project: str) -> bool:
        """Whether leases with this tag count towards it."""
        return self.project in ("", project)


class BudgetAlert(models.Model):
    """A share of a budget that was told to have been committed; once in each month."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="alerts")
    month = models.DateField(help_text="Its first day.")
    percent = models.PositiveSmallIntegerField(choices=[(percent, f"{percent} %") for percent in PERCENTS])
    at = models.DateTimeField()

    class Meta:
        ordering = ["budget", "-month", "percent"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "month", "percent"], name="budget_alert_once"),
            models.CheckConstraint(condition=models.Q(percent__in=PERCENTS), name="budget_alert_percent_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % of {self.budget}"
