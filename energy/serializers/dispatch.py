"""Sites' power and commands, for programs of the operator's staff."""

from typing import Any

from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from energy.models import Command, PowerPlan
from energy.states import CommandState


class PowerPlanShown(serializers.ModelSerializer[PowerPlan]):
    """A site's newest quarter of an hour. Watts are at the meter; ages are seconds."""

    id = serializers.CharField(source="public_id")
    site = serializers.SlugRelatedField[Any]("slug", read_only=True)

    class Meta:
        model = PowerPlan
        fields = [
            "id", "site", "starts_at", "ends_at", "made_at", "basis", "why", "inputs", "seen", "targets", "ahead",
            "internal_micros_per_mwh", "budget_watts", "budget_at",
        ]  # fmt: skip
        read_only_fields = fields


class CommandShown(serializers.ModelSerializer[Command]):
    """One command with its reason, inputs and outcome."""

    id = serializers.CharField(source="public_id")
    site = serializers.SlugRelatedField[Any]("slug", read_only=True)
    state = serializers.ChoiceField(choices=CommandState.choices)
    undoes = serializers.SlugRelatedField[Any]("public_id", read_only=True)

    class Meta:
        model = Command
        fields = [
            "id", "site", "kind", "state", "state_since", "deadline", "why", "inputs", "target", "before", "touches",
            "watts", "cost_micros", "event", "undoes", "proposed_by", "due_at", "ends_at", "outcome",
        ]  # fmt: skip
        read_only_fields = fields


class EventAsked(StrictSerializer):
    """What the grid asks for."""

    percent = serializers.IntegerField(min_value=1, max_value=100, help_text="Less than the site draws now.")
    hours = serializers.FloatField(min_value=0.25, max_value=24)
    starts_at = Moment(required=False, help_text="Left out: at once.")


class GridEventShown(serializers.Serializer[Any]):
    """Exactly what would be done. `token` confirms it, for five minutes."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    drawn_watts = serializers.IntegerField(help_text="From the grid now.")
    wanted_watts = serializers.IntegerField(help_text="By how much less.")
    missing_at_once_mw = serializers.FloatField(source="shed.missing_at_once_mw", help_text="Until notices are over.")
    missing_mw = serializers.FloatField(source="shed.missing_mw", help_text="All the time: firm leases are never cut.")
    cost_micros = serializers.IntegerField(help_text="What it forgoes and credits, energy not counted.")
    commands = serializers.ListField(child=serializers.DictField())
    token = serializers.CharField()


class EventConfirmed(StrictSerializer):
    """A plan that was shown."""

    token = serializers.CharField(max_length=200_000)
