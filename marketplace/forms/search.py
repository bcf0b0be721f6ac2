"""The forms of the catalogue. Both are sent by GET: what is found has an address."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from accounts.models import Organization
from marketplace.forms.moments import UTC_ONLY, Zoned, moment
from marketplace.models import GPUModel, NodeType, Plan, Provisioner, Region, Site
from marketplace.money import MICROS
from marketplace.queries import MOST_NODES, NODES_WORDS, BadPeriod, Criteria, Sort, check_period

RENEWABLE_STEPS = (25, 50, 75, 90, 100)
MOST_DOLLARS = 10_000  # of a filter
Choices = list[tuple[Any, Any]]


NOT_LISTED = {"invalid_choice": "“%(value)s” is not in the list. Choose one that is."}


def limits(words: str) -> dict[str, Any]:
    """What a field of numbers says, whichever way one is wrong: its limits, which are the way out."""
    return dict.fromkeys(("invalid", "min_value", "max_value"), words)


def choice(label: str) -> forms.ChoiceField:
    """A word out of a list that is filled in later."""
    return forms.ChoiceField(label=label, required=False, error_messages=NOT_LISTED)


def number(label: str) -> forms.TypedChoiceField:
    """As `choice`, with numbers."""
    return forms.TypedChoiceField(label=label, required=False, coerce=int, empty_value=None, error_messages=NOT_LISTED)


class Wish(Zoned):
    """How many nodes, and for which period."""

    nodes = forms.IntegerField(
        label="Nodes", required=False, min_value=1, max_value=MOST_NODES, error_messages=NODES_WORDS
    )
    same_fabric = forms.BooleanField(
        label="In one fabric group",
        required=False,
        help_text="All nodes on one fast network, or none. For more than one node.",
    )
    starts_at = moment("From")
    ends_at = moment("Until")

    def __init__(
        self,
        data: Any,
        *,
        now: datetime,
        organization: Organization | None = None,
        zones: Mapping[str, str] = UTC_ONLY,
    ) -> None:
        """`organization`: whose private plans and prices count too; `zones`: whose clocks the period may be told by."""
        super().__init__(data, zones=zones)
        self.now, self.organization = now, organization
        for name, field in self.fields.items():
            field.widget.attrs |= {"aria-describedby": f"id_{name}_error"}

    def clean(self) -> dict[str, Any]:
        """The fields together: a period that can be."""
        cleaned = super().clean() or {}
        try:
            check_period(starts_at=cleaned.get("starts_at"), ends_at=cleaned.get("ends_at"), now=self.now)
        except BadPeriod as error:
            self.add_error(error.field, error.message)
        return cleaned

    def criteria(self) -> Criteria:
        """What is asked for; the fields in error ask for nothing."""
        known = Criteria.__dataclass_fields__
        asked = {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}
        wanted = {name: value for name, value in asked.items() if name in known}
        return Criteria(organization=self.organization, **wanted)


class CatalogueFilter(Wish):
    """Which offers to show, and in which order."""

    FIRST: ClassVar[tuple[str, ...]] = ("plan", "gpu_model", "gpus", "region", "nodes", "sort")
    MORE: ClassVar[tuple[str, ...]] = (
        "gpu_memory_gb",
        "site",
        "max_price",
        "renewable_share",
        "provisioner",
        "same_fabric",
        "zone",
        "starts_at",
        "ends_at",
    )

    plan = choice("Plan")
    gpu_model = choice("GPU")
    gpus = number("GPUs in a node")
    region = choice("Region")
    sort = forms.ChoiceField(label="Sort by", required=False, choices=Sort.choices)
    gpu_memory_gb = number("Memory of one GPU")
    site = choice("Site")
    max_price = forms.DecimalField(
        label="Price of a node, at most",
        required=False,
        min_value=0,
        max_value=MOST_DOLLARS,
        error_messages=limits(f"Choose an amount from $0 to ${MOST_DOLLARS:,} for an hour of a node."),
    )
    renewable_share = number("Renewable power")
    provisioner = choice("Machines")

    def __init__(
        self,
        data: Any,
        *,
        now: datetime,
        plans: Iterable[Plan],
        organization: Organization | None = None,
        zones: Mapping[str, str] = UTC_ONLY,
    ) -> None:
        super().__init__(data, now=now, organization=organization, zones=zones)
        models = list(GPUModel.objects.order_by("vendor", "name").values_list("slug", "name", "vendor", "memory_gb"))
        counts = NodeType.objects.filter(gpu_count__gt=0).order_by("gpu_count").values_list("gpu_count", flat=True)
        self._offer("plan", "Any plan", [(plan.slug, plan.name) for plan in plans])
        self._offer("gpu_model", "Any GPU", _grouped((vendor, slug, name) for slug, name, vendor, _ in models))
        self._offer("gpus", "Any", [(count, str(count)) for count in counts.distinct()])
        self._offer(
            "gpu_memory_gb", "Any", [(size, f"{size} GB or more") for size in sorted({row[3] for row in models})]
        )
        self._offer("region", "Anywhere", Region.choices)
        self._offer("site", "Any site", _sites())
        self._offer("renewable_share", "Any", [(step, f"{step} % or more") for step in RENEWABLE_STEPS])
        self._offer(
            "provisioner",
            "Any",
            [(Provisioner.PODMAN, "Real only"), (Provisioner.SANDBOX, "Simulated only")],
        )
        self.fields["nodes"].widget.attrs["placeholder"] = "1"

    @property
    def first(self) -> list[forms.BoundField]:
        """The filters that are always in sight."""
        return [self[name] for name in self.FIRST]

    @property
    def more(self) -> list[forms.BoundField]:
        """The others."""
        return [self[name] for name in self.MORE]

    @property
    def more_in_use(self) -> bool:
        """Whether one of the others is filled in."""
        return any(field.value() for field in self.more if field.name != "zone")  # which always has one

    def clean_max_price(self) -> Any:
        """Dollars, as typed; `criteria` has them in micro-dollars."""
        dollars = self.cleaned_data["max_price"]
        if dollars is not None:
            self.cleaned_data["max_micros_per_node_hour"] = int(dollars * MICROS)
        return dollars

    def _offer(self, name: str, any_word: str, choices: Choices) -> None:
        """Fill a list; its first entry asks for nothing."""
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", any_word), *choices]


def _grouped(rows: Iterable[tuple[str, str, str]]) -> Choices:
    """Rows of group, value, word as the groups of a select."""
    groups: dict[str, Choices] = {}
    for group, value, word in rows:
        groups.setdefault(group, []).append((value, word))
    return list(groups.items())


def _sites() -> Choices:
    words = dict(Region.choices)
    sites = Site.objects.order_by("region", "place").values_list("region", "slug", "place")
    return _grouped((str(words[region]), slug, place) for region, slug, place in sites)
