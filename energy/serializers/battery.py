"""A site's battery, for programs of the operator's staff."""

from typing import Any

from django.forms.models import model_to_dict
from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from energy.forms import BatteryDriver
from energy.models import BatteryDialect, Inverter, Outcome
from energy.serializers.forms import refused


class DriverShown(serializers.ModelSerializer[Inverter]):
    """How it is spoken to, and what came of that."""

    outcome = serializers.ChoiceField([*Outcome.choices, ("", "never read")])

    class Meta:
        model = Inverter
        fields = [
            "dialect", "address", "port", "unit", "controlled", "wanted_watts", "wanted_until", "outcome", "detail",
            "most_given", "most_taken", "read_at",
        ]  # fmt: skip
        read_only_fields = fields


class BatteryShown(serializers.Serializer[Any]):
    """What it gives and holds. Watts above 0 come out of it, below 0 it is charged; null: not known."""

    most_watts = serializers.IntegerField(source="battery.watts", help_text="In and out, as on file.")
    watt_hours = serializers.IntegerField(source="battery.watt_hours", help_text="What it can hold.")
    reserve_wh = serializers.IntegerField(help_text="What is never told to come out.")
    watts = serializers.IntegerField(allow_null=True, help_text="Now.")
    charge_permille = serializers.IntegerField(source="permille", allow_null=True, help_text="As it was told last.")
    age_seconds = serializers.SerializerMethodField()
    stale = serializers.BooleanField(help_text="Whether its charge is too old to be counted on.")
    stored_wh = serializers.IntegerField(help_text="What plans count on.")
    wanted_watts = serializers.IntegerField(allow_null=True, help_text="Null: it goes by its own control.")
    driver = DriverShown(source="inverter", allow_null=True, help_text="Null: staff sets it by hand.")

    def get_age_seconds(self, row: Any) -> int | None:
        """Since the time of its charge was over; 0 while it lasts; null if it was never told."""
        return None if row.age is None else int(row.age.total_seconds())


class DriverAsked(StrictSerializer):
    """Where the battery answers. What is left out stays, or is as usual."""

    dialect = serializers.ChoiceField(BatteryDialect.choices, required=False)
    address = serializers.IPAddressField(required=False)
    port = serializers.IntegerField(required=False)
    unit = serializers.IntegerField(required=False)
    controlled = serializers.BooleanField(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """As the admin's page checks it, with its words. What it comes to is the `form`."""
        site = self.context["site"]
        row = Inverter.objects.filter(site=site).first() or Inverter(site=site)
        form = BatteryDriver({**model_to_dict(row), **given, "site": site.pk}, instance=row)
        if not form.is_valid():
            raise refused(form)
        return {"form": form}
