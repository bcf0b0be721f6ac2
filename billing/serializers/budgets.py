"""What the API reads and shows of budgets, and of how many nodes one may have. Amounts are micro-dollars."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.budgets import Outlook, outlook
from billing.limits import NodesAllowed
from billing.models import Budget
from leasing.models import PROJECT, PROJECT_LENGTH, PROJECT_WORDS

MOST_MICROS = 10**15  # a thousand million dollars


class ProjectFilter(StrictSerializer):
    """Which tag an order would carry."""

    project = serializers.RegexField(
        PROJECT,
        max_length=PROJECT_LENGTH,
        required=False,
        allow_blank=True,
        error_messages={"invalid": PROJECT_WORDS},
    )


class BudgetChange(StrictSerializer):
    """Another limit."""

    limit_micros = serializers.IntegerField(min_value=1, max_value=MOST_MICROS, help_text="For each UTC month.")


class NewBudget(BudgetChange):
    """A cap to set."""

    project = serializers.RegexField(
        PROJECT,
        max_length=PROJECT_LENGTH,
        default="",
        allow_blank=True,
        error_messages={"invalid": PROJECT_WORDS},
        help_text="Empty: the whole organization.",
    )


class OutlookShown(serializers.Serializer[Outlook]):
    """A budget in one UTC month."""

    budget = serializers.CharField(source="budget.public_id", help_text="Such as bg_…")
    project = serializers.CharField(source="budget.project", help_text="Empty: the whole organization.")
    month = serializers.DateField(help_text="Its first day.")
    limit_micros = serializers.IntegerField(source="budget.limit_micros")
    committed_micros = serializers.IntegerField(help_text="Charged, and agreed on to be used in the month.")
    left_micros = serializers.IntegerField()
    forecast_micros = serializers.IntegerField(help_text="The month's end at what runs open-ended, without pauses.")
    fits = serializers.BooleanField(help_text="False: an order would be refused.")
    reached_at = serializers.DateTimeField(
        allow_null=True, help_text="When the limit is reached at what runs open-ended; null: not in this month."
    )


class BudgetShown(serializers.ModelSerializer[Budget]):
    """A cap on each UTC month, and how the running month stands."""

    id = serializers.CharField(source="public_id", help_text="Such as bg_…")
    this_month = serializers.SerializerMethodField()

    class Meta:
        model = Budget
        fields = ["id", "project", "limit_micros", "created_at", "changed_at", "this_month"]
        read_only_fields = fields

    @extend_schema_field(OutlookShown)
    def get_this_month(self, budget: Budget) -> dict[str, Any]:
        """As of this moment."""
        shown = outlook(budget=budget, spoken=self.context["commitments"], now=self.context["now"])
        return dict(OutlookShown(shown).data)


class NodesAllowedShown(serializers.Serializer[NodesAllowed]):
    """How many nodes of one plan the organization may have at once."""

    plan = serializers.CharField(source="plan.slug")
    limit = serializers.IntegerField()
    in_use = serializers.IntegerField(help_text="The most that are in use or booked at one moment from now on.")
