"""A site's power as the dispatcher sees it, for programs of the operator's staff."""

from typing import Any

from rest_framework import serializers

from energy.models import CommandTransition
from energy.serializers.dispatch import CommandShown, PowerPlanShown
from energy.states import CommandState
from marketplace.models import Site

WATTS = "Watts at the meter of each."


class OverviewShown(PowerPlanShown):
    """A site's newest plan, and how many proposals wait for a person there."""

    waiting = serializers.IntegerField(source="site.waiting", read_only=True, help_text="Proposals.")

    class Meta(PowerPlanShown.Meta):
        fields = [*PowerPlanShown.Meta.fields, "waiting"]
        read_only_fields = fields


class SpanShown(serializers.Serializer[Any]):
    """So much power for so long: a quarter of an hour that was seen, or an hour that is expected."""

    at = serializers.DateTimeField()
    hours = serializers.FloatField()
    expected = serializers.BooleanField()
    watts = serializers.DictField(child=serializers.IntegerField(), help_text=WATTS)


class WorthShown(serializers.Serializer[Any]):
    """What a MWh is worth in one use."""

    name = serializers.CharField()
    micros_per_mwh = serializers.IntegerField(allow_null=True, help_text="At the meter; null: not known.")


class MinersShown(serializers.Serializer[Any]):
    """The site's miners of one class. Watts are at the plug."""

    miner_class = serializers.CharField(source="kind.slug")
    name = serializers.CharField(source="kind.name")
    joules_per_terahash = serializers.FloatField(source="kind.joules_per_terahash")
    on = serializers.IntegerField()
    off = serializers.IntegerField()
    stubborn = serializers.IntegerField(help_text="Of both: who do not obey, or may not be told anything.")
    watts = serializers.IntegerField(help_text="Counted, those that do not obey as load.")
    floor_watts = serializers.IntegerField(help_text="With all asleep that obey.")
    most_watts = serializers.IntegerField(help_text="With all awake that obey.")


class InputShown(serializers.Serializer[Any]):
    """A figure that plans are made from, as told last."""

    name = serializers.CharField()
    feed = serializers.CharField(default=None, help_text="Its id, such as fd_…; null: it is no feed's.")
    kind = serializers.CharField(help_text="Of its feed; `stored` of what the battery holds.")
    value = serializers.IntegerField(allow_null=True, help_text="In its unit; null: never told.")
    unit = serializers.CharField()
    age_seconds = serializers.IntegerField(allow_null=True, help_text="Since its time was over; null: never told.")
    stale = serializers.BooleanField(help_text="Older than its limit; the last value goes on being used.")


class CarbonShown(serializers.Serializer[Any]):
    """What the grid's energy carries."""

    milligrams_per_kwh = serializers.IntegerField()
    source = serializers.CharField(help_text="Whose word that is.")  # type: ignore[assignment]


class CockpitShown(serializers.Serializer[Any]):
    """A site now, 48 hours back and 48 ahead, and what waits there."""

    site = serializers.CharField(source="here.site.slug")
    as_of = serializers.DateTimeField(source="here.at")
    uses = serializers.DictField(source="here.uses", child=serializers.IntegerField(), help_text=f"Now. {WATTS}")
    sources = serializers.DictField(source="here.sources", child=serializers.IntegerField(), help_text=f"Now. {WATTS}")
    by_use = SpanShown(many=True, help_text="48 hours back and ahead; empty before the first plan.")
    by_source = SpanShown(many=True, help_text="The same.")
    worth = WorthShown(many=True, help_text="The dearest first, what is not known last.")
    price_micros_per_mwh = serializers.IntegerField(allow_null=True, help_text="Of grid energy now, all in.")
    hash_price_micros = serializers.IntegerField(allow_null=True, help_text="Per PH/s and day, the last that was told.")
    carbon = CarbonShown()
    miners = MinersShown(source="here.classes", many=True)
    waiting = CommandShown(many=True, help_text="Proposals, and what is under way, with their inputs.")
    inputs = InputShown(source="here.inputs", many=True)
    missing = serializers.ListField(
        source="here.missing", child=serializers.CharField(), help_text="What is not known: then the rule decides."
    )
    plan = PowerPlanShown(allow_null=True, help_text="The newest; null before the first.")


class CommandsAsked(serializers.Serializer[Any]):
    """Which commands to list."""

    site = serializers.SlugRelatedField("slug", queryset=Site.objects.all(), required=False)
    state = serializers.ChoiceField(choices=CommandState.values, required=False)


class MoveShown(serializers.ModelSerializer[CommandTransition]):
    """One change of a command's state. Never changed or removed."""

    class Meta:
        model = CommandTransition
        fields = ["seq", "old", "new", "at", "reason", "actor"]
        read_only_fields = fields


class CommandWhole(CommandShown):
    """A command, with its life."""

    transitions = MoveShown(many=True, read_only=True)

    class Meta(CommandShown.Meta):
        fields = [*CommandShown.Meta.fields, "transitions"]
        read_only_fields = fields
