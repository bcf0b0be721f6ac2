"""What the API says of a lease's window: how far it can go on, what more time costs, and how it is asked for."""

from typing import Any

from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from leasing.queries.extension import Kind
from marketplace.serializers import MOST_MICROS


class NewEnd(StrictSerializer):
    """Until when a lease shall go on."""

    ends_at = Moment(help_text="The new end, on a multiple that the plan's terms allow.")
    max_micros_per_node_hour = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=MOST_MICROS,
        help_text="Refuse a price above this.",
    )


class WishedEnd(StrictSerializer):
    """The end to price."""

    ends_at = Moment(required=False, help_text="Price the time until then; left out: no price.")


class AutoExtend(StrictSerializer):
    """How a lease extends itself; null for both turns that off."""

    seconds = serializers.IntegerField(allow_null=True, min_value=1, help_text="By how much before each end.")
    max_micros_per_node_hour = serializers.IntegerField(
        allow_null=True, min_value=0, max_value=MOST_MICROS, help_text="Only while a node-hour costs this at most."
    )

    def validate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Both or none."""
        for name, other in (("seconds", "max_micros_per_node_hour"), ("max_micros_per_node_hour", "seconds")):
            if wanted[name] is None and wanted[other] is not None:
                raise serializers.ValidationError({name: "Give both, or null for both to turn it off."})
        return wanted


class NewWindow(StrictSerializer):
    """Where an agreed lease shall go."""

    quote = serializers.CharField(help_text="Such as qt_…, for its nodes in the new window; used once.")


class BehindShown(serializers.Serializer[Any]):
    """What comes next behind the lease on one of its nodes."""

    node = serializers.CharField()
    starts_at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=Kind.values, help_text="held: by somebody else's quote, for some minutes.")


class PriceOfMore(serializers.Serializer[Any]):
    """What the added time costs if it is asked for now. Nothing is kept or promised."""

    ends_at = serializers.DateTimeField()
    discount_percent = serializers.IntegerField(help_text="For the whole length; taken off the added time.")
    micros_per_node_hour = serializers.IntegerField(help_text="Of the added time; that of the time before stays.")
    price_micros = serializers.IntegerField(help_text="Of the added time on all nodes: kept aside when you extend.")
    available_micros = serializers.IntegerField(help_text="In the wallet.")


class ExtensionShown(serializers.Serializer[Any]):
    """How far a lease can go on on its own nodes, and what that costs."""

    ends_at = serializers.DateTimeField(help_text="When it ends now.")
    furthest_ends_at = serializers.DateTimeField(
        help_text="The last end that its terms, its nodes and its site's power allow."
    )
    why_not_further = serializers.CharField(help_text="In words.")
    behind = BehindShown(many=True, help_text="By node, soonest first; nodes with nothing behind are left out.")
    price = PriceOfMore(allow_null=True, help_text="Null where no `ends_at` was asked for.")
