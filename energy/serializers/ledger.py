"""A lease's energy, for programs and spreadsheets."""

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from energy.models import LeaseHour

RULE = (
    "In each hour all that the site is supplied with is one pool, and each lease has the part of its energy, of its "
    "renewable energy and of its carbon that it drew, cooling and losses included."
)


class HoursAsked(StrictSerializer):
    """Which hours; all of them where nothing is said."""

    until = Moment(required=False, help_text="Hours that begin before it.")

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which is a word of Python."""
        return {**super().get_fields(), "from": Moment(required=False, help_text="Hours that begin then or later.")}


class EnergyHourShown(serializers.ModelSerializer[LeaseHour]):
    """One hour."""

    class Meta:
        model = LeaseHour
        fields = ["starts_at", "node_wh", "energy_wh", "renewable_wh", "location_ug", "market_ug", "quality"]
        read_only_fields = fields


class QualityShown(serializers.Serializer[Any]):
    """How many of the hours are known in which way."""

    measured = serializers.IntegerField(help_text="By the GPUs' counters, the rest of the node by its type.")
    estimated = serializers.IntegerField(help_text="By the draw of the node's type.")
    missing = serializers.IntegerField(help_text="Nobody knows; counted as nothing.")


class TotalShown(serializers.Serializer[Any]):
    """All the hours together."""

    hours = serializers.IntegerField()
    energy_wh = serializers.IntegerField()
    renewable_wh = serializers.IntegerField()
    location_ug = serializers.IntegerField(help_text="Micrograms of CO2-equivalent by the grid's mix.")
    market_ug = serializers.IntegerField(help_text="Instead, by the site's contracts for green power. Never add both.")
    renewable_percent = serializers.FloatField(allow_null=True)
    by_quality = QualityShown()


class EnergyShown(serializers.Serializer[Any]):
    """The energy of a lease, hour by hour."""

    lease = serializers.CharField()
    rule = serializers.CharField(help_text="How a site's energy is divided.")
    total = TotalShown()
    hours = EnergyHourShown(many=True)


def as_csv(rows: Sequence[LeaseHour]) -> str:
    """The hours as a file, oldest first: watt-hours, micrograms, times in UTC."""
    out = StringIO()
    writer = csv.DictWriter(out, EnergyHourShown.Meta.fields)
    writer.writeheader()
    writer.writerows(EnergyHourShown(rows, many=True).data)
    return out.getvalue()
