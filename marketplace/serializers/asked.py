"""What callers ask of the catalogue: every query parameter, its limits, and the words when one is wrong."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Model, QuerySet
from rest_framework import serializers

from accounts.http.pagination import LARGEST, SMALLEST, NewestFirst
from accounts.http.serializers import Moment, StrictSerializer
from accounts.models import time_zones
from marketplace.models import OFFERED_PROVISIONERS, GPUModel, Plan, Region, Site
from marketplace.queries import (
    HORIZON,
    MOST_NODES,
    BadPeriod,
    Criteria,
    OpeningSort,
    Sort,
    check_period,
    plans_open_to,
    reach_of,
    together,
)

SHOWN_AHEAD = timedelta(days=14)
MOST_MICROS = 10**12
MOST_HOURS = 8760  # a year


class Whole(serializers.IntegerField):
    """A whole number between two limits, which every error names."""

    def __init__(self, smallest: int, largest: int, **options: Any) -> None:
        said = f"Must be a whole number from {smallest} to {largest}."
        codes = ("invalid", "min_value", "max_value", "max_string_length", "overflow")
        words: dict[str, Any] = dict.fromkeys(codes, said)
        super().__init__(required=False, min_value=smallest, max_value=largest, error_messages=words, **options)


class Choice(serializers.ChoiceField):
    """One of a few words, which the error lists."""

    def __init__(self, choices: list[str], **options: Any) -> None:
        words: dict[str, Any] = {"invalid_choice": f"“{{input}}” is not one of: {', '.join(choices)}."}
        super().__init__(choices=choices, required=False, error_messages=words, **options)


class SameFabric(serializers.BooleanField):
    """Whether several nodes must be of one fabric group."""

    def __init__(self) -> None:
        super().__init__(default=False, help_text="True: all nodes of one fabric group, where more than one is wanted.")


class Known(serializers.CharField):
    """The slug of a row that exists."""

    def __init__(self, model: type[Model], noun: str, listed_at: str, **options: Any) -> None:
        super().__init__(required=False, max_length=60, **options)
        self.model, self.noun, self.listed_at = model, noun, listed_at

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """The slug.

        :raises ValidationError: saying where the known ones are listed
        """
        slug = super().run_validation(data)
        if not self.known().filter(slug=slug).exists():
            ways = f"GET /api/v1/{self.listed_at} lists them."
            raise serializers.ValidationError(f"There is no {self.noun} “{slug}”. {ways}")
        return slug

    def known(self) -> QuerySet[Model]:
        """The rows that whoever asks may know of."""
        return self.model._default_manager.all()


class KnownPlan(Known):
    """The slug of a plan that is open to whoever asks: a private one of others is as if it did not exist."""

    def known(self) -> QuerySet[Any]:
        """Needs `organization` in the context."""
        return plans_open_to(self.context["organization"])


class Availability(StrictSerializer):
    """For which period, and how many nodes. Needs `now` and `organization` (None for nobody's) in its context."""

    nodes = Whole(1, MOST_NODES, default=1, help_text="How many nodes must be free side by side.")
    same_fabric = SameFabric()
    starts_at = Moment(required=False, help_text="Start of the lease; now, if left out or past. At most 60 days ahead.")
    ends_at = Moment(required=False, help_text="Its end; as early as the plan allows, if left out.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The fields together.

        :raises ValidationError: if the period makes no sense
        """
        period = {name: attrs.get(name) for name in ("starts_at", "ends_at")}
        try:
            check_period(**period, now=self.context["now"])
        except BadPeriod as error:
            raise serializers.ValidationError({error.field: [error.message]}) from error
        return attrs

    def criteria(self) -> Criteria:
        """What was asked for. Call after `is_valid`."""
        fields = Criteria.__dataclass_fields__
        wanted = {name: value for name, value in self.validated_data.items() if name in fields}
        return Criteria(organization=self.context["organization"], **wanted)


class OfferCriteria(StrictSerializer):
    """Which offers will do. What is left out asks for nothing."""

    plan = KnownPlan(Plan, "plan", "plans", help_text="Slug of a plan, such as on_demand.")
    gpu_model = Known(GPUModel, "GPU model", "gpu-models", help_text="Slug of a GPU model, such as h100-sxm.")
    gpus = Whole(1, 8, help_text="GPUs in one node, exactly.")
    gpu_memory_gb = Whole(1, 4096, help_text="Gigabytes of memory on one GPU, at least.")
    region = Choice(Region.values, help_text="Where the site is.")
    site = Known(Site, "site", "sites", help_text="Slug of a site.")
    provisioner = Choice(OFFERED_PROVISIONERS, help_text="What makes the nodes ready; sandbox nodes are simulated.")
    renewable_share = Whole(0, 100, help_text="Per cent of renewable power in the site's grid, at least.")


class OfferFilter(Availability, OfferCriteria):
    """Which offers to list, and how. What is left out asks for nothing."""

    max_micros_per_node_hour = Whole(
        0, MOST_MICROS, help_text="Micro-dollars per node-hour as charged for the period, at most."
    )
    sort = Choice(
        Sort.values,
        default=Sort.PRICE,
        help_text="Order of the list. Offers with enough free nodes come first in each.",
    )
    page_size = Whole(SMALLEST, LARGEST, default=NewestFirst.page_size, help_text="Offers on one page.")
    offset = Whole(0, 100_000, default=0, help_text="Offers to pass over; follow `next` instead of counting.")


class Zone(serializers.CharField):
    """The name of a time zone."""

    def to_internal_value(self, data: Any) -> str:
        """The name.

        :raises ValidationError: if there is no such zone
        """
        name = super().to_internal_value(data)
        if name not in time_zones():
            raise serializers.ValidationError("Write an IANA name such as America/New_York, or UTC.")
        return name


class CalendarAsked(StrictSerializer):
    """Which days to show the free nodes of. Needs `now` in its context."""

    starts_on = serializers.DateField(
        required=False,
        help_text="First day; today in the zone, if left out. At most 60 days ahead, and not before today.",
        error_messages={"invalid": "Write it as 2026-03-02."},
    )
    nodes = Whole(1, MOST_NODES, default=1, help_text="How many nodes are wanted: `enough` says whether they are free.")
    same_fabric = SameFabric()
    days = Whole(1, HORIZON.days, default=SHOWN_AHEAD.days, help_text="How many days.")
    time_zone = Zone(default="UTC", max_length=64, help_text="IANA name of the zone whose days and hours.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The fields together, `zone` and the first day filled in.

        :raises ValidationError: if the first day is past or too far ahead
        """
        zone = ZoneInfo(attrs["time_zone"])
        today = self.context["now"].astimezone(zone).date()
        starts_on = attrs.get("starts_on", today)
        if not today <= starts_on <= today + HORIZON:
            limit = f"Choose a day from {today} to {today + HORIZON}, within {HORIZON.days} days."
            raise serializers.ValidationError({"starts_on": [limit]})
        return attrs | {"starts_on": starts_on, "zone": zone, "same_fabric": _together(attrs)}


class WindowsAsked(StrictSerializer):
    """Between which moments to look for free windows. Needs `now` in its context."""

    nodes = Whole(1, MOST_NODES, default=1, help_text="How many nodes must be free side by side.")
    same_fabric = SameFabric()
    starts_at = Moment(required=False, help_text="Look from here on; now, if left out or past.")
    until = Moment(required=False, help_text="Look until here: at most 60 days after the start; 14 if left out.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The fields together, those left out filled in.

        :raises ValidationError: if `until` is not within 60 days after the start
        """
        starts_at = max(attrs.get("starts_at") or self.context["now"], self.context["now"])
        until = attrs.get("until") or starts_at + SHOWN_AHEAD
        if not starts_at < until <= starts_at + HORIZON:
            limit = f"{starts_at:%Y-%m-%dT%H:%M:%SZ} and {starts_at + HORIZON:%Y-%m-%dT%H:%M:%SZ}"
            raise serializers.ValidationError({"until": [f"Choose a moment between {limit}, within 60 days."]})
        nodes = {"nodes": attrs["nodes"], "same_fabric": _together(attrs)}
        return {**nodes, "starts_at": starts_at, "until": until}


class OpeningsAsked(OfferFilter):
    """Where and how long, between which moments. What is left out asks for nothing."""

    ends_at = None  # type: ignore[assignment]  # hours say it
    hours = Whole(
        1, MOST_HOURS, default=24, help_text="How long the nodes are wanted; longer where a plan asks for a multiple."
    )
    starts_at = Moment(required=False, help_text="Not before; now, if left out or past. At most 60 days ahead.")
    until = Moment(
        required=False, help_text="Over by then: at most 60 days and the hours after the start; so if left out."
    )
    sort = Choice(OpeningSort.values, default=OpeningSort.PRICE, help_text="Order of the list: total price, or start.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The fields together, `length` and `until` filled in.

        :raises ValidationError: if the nodes cannot be used for as long between the two moments
        """
        attrs = super().validate(attrs)
        length = timedelta(hours=attrs["hours"])
        try:
            until = reach_of(
                starts_at=attrs.get("starts_at"), until=attrs.get("until"), length=length, now=self.context["now"]
            )
        except BadPeriod as error:
            raise serializers.ValidationError({error.field: [error.message]}) from error
        return attrs | {"length": length, "until": until}


def _together(attrs: dict[str, Any]) -> bool:
    return together(nodes=attrs["nodes"], same_fabric=attrs["same_fabric"])
