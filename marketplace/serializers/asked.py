"""What callers ask of the catalogue: every query parameter, its limits, and the words when one is wrong."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework import serializers

from accounts.http.pagination import LARGEST, SMALLEST, NewestFirst
from accounts.http.serializers import StrictSerializer
from marketplace.models import GPUModel, Plan, Provisioner, Region, Site
from marketplace.queries import HORIZON, MOST_NODES, BadPeriod, Criteria, Sort, check_period, plans_open_to

SHOWN_AHEAD = timedelta(days=14)
MOST_MICROS = 10**12


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


class Moment(serializers.DateTimeField):
    """A moment with its zone."""

    default_error_messages = {
        "invalid": "Write it as 2026-03-02T12:00:00Z (a + in an address is written %2B).",
        "no_zone": "Say the zone: 2026-03-02T12:00:00Z is UTC.",
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        """As given.

        :raises ValidationError: if it has no zone
        """
        if value.tzinfo is None:
            self.fail("no_zone")
        return value


class Availability(StrictSerializer):
    """For which period, and how many nodes. Needs `now` and `organization` (None for nobody's) in its context."""

    nodes = Whole(1, MOST_NODES, default=1, help_text="How many nodes must be free side by side.")
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


class OfferFilter(Availability):
    """Which offers to list. What is left out asks for nothing."""

    plan = KnownPlan(Plan, "plan", "plans", help_text="Slug of a plan, such as on_demand.")
    gpu_model = Known(GPUModel, "GPU model", "gpu-models", help_text="Slug of a GPU model, such as h100-sxm.")
    gpus = Whole(1, 8, help_text="GPUs in one node, exactly.")
    gpu_memory_gb = Whole(1, 4096, help_text="Gigabytes of memory on one GPU, at least.")
    region = Choice(Region.values, help_text="Where the site is.")
    site = Known(Site, "site", "sites", help_text="Slug of a site.")
    provisioner = Choice(Provisioner.values, help_text="What makes the nodes ready; sandbox nodes are simulated.")
    max_micros_per_node_hour = Whole(0, MOST_MICROS, help_text="Micro-dollars per node-hour, at most.")
    renewable_share = Whole(0, 100, help_text="Per cent of renewable power in the site's grid, at least.")
    sort = Choice(
        Sort.values,
        default=Sort.PRICE,
        help_text="Order of the list. Offers with enough free nodes come first in each.",
    )
    page_size = Whole(SMALLEST, LARGEST, default=NewestFirst.page_size, help_text="Offers on one page.")
    offset = Whole(0, 100_000, default=0, help_text="Offers to pass over; follow `next` instead of counting.")


class WindowsAsked(StrictSerializer):
    """Between which moments to look for free windows. Needs `now` in its context."""

    nodes = Whole(1, MOST_NODES, default=1, help_text="How many nodes must be free side by side.")
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
        return {"nodes": attrs["nodes"], "starts_at": starts_at, "until": until}
