"""What a customer looks for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import TextChoices

from accounts.models import Organization
from marketplace.models import Terms
from marketplace.queries.booking import first_end, first_start, why_not
from marketplace.queries.windows import HORIZON, Window


class BadPeriod(Exception):
    """No plan could ever serve the period. `field` names the input at fault, `message` the limit and the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class Sort(TextChoices):
    """In which order offers are listed. Those with enough free nodes always come first."""

    PRICE = "price", "Price of a GPU"
    NODE_PRICE = "node_price", "Price of a node"
    MEMORY = "memory", "GPU memory"
    CARBON = "carbon", "Carbon"
    FREE = "free", "Free nodes"


def together(*, nodes: int, same_fabric: bool) -> bool:
    """Whether nodes of several fabric groups will not do: of a single node `same_fabric` asks nothing."""
    return same_fabric and nodes > 1


@dataclass(frozen=True)
class Criteria:
    """What the customer looks for. Each field left at None asks for nothing."""

    plan: str | None = None
    gpu_model: str | None = None
    gpus: int | None = None  # GPUs in one node, exactly
    gpu_memory_gb: int | None = None  # memory of one GPU, at least
    region: str | None = None
    site: str | None = None
    provisioner: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    nodes: int = 1
    same_fabric: bool = False  # all of one fabric group
    max_micros_per_node_hour: int | None = None  # that is charged: own rate and discount for the length counted in
    renewable_share: int | None = None  # per cent of the site's grid mix, at least
    organization: Organization | None = None  # whose private plans and rates count too

    def asked(self) -> dict[str, Any]:
        """What is asked of an offer, by its name here; plan, period, nodes, price and organization are not."""
        fields = ("gpu_model", "gpus", "gpu_memory_gb", "region", "site", "provisioner", "renewable_share")
        return {name: value for name in fields if (value := getattr(self, name)) is not None}

    @property
    def together(self) -> bool:
        """Whether nodes of several fabric groups will not do."""
        return together(nodes=self.nodes, same_fabric=self.same_fabric)

    def affords(self, micros_per_node_hour: int) -> bool:
        """Whether a node-hour may be charged at so much."""
        return self.max_micros_per_node_hour is None or micros_per_node_hour <= self.max_micros_per_node_hour

    def wish(self, terms: Terms, now: datetime) -> Window:
        """The period of a lease on these terms as wished, the shortest from now on where nothing is said."""
        starts_at = first_start(terms, self.starts_at or now, now)
        ends_at = first_end(terms, starts_at, self.ends_at or starts_at + timedelta(seconds=terms.min_seconds))
        return Window(starts_at, max(starts_at, ends_at))

    def fits(self, terms: Terms, now: datetime) -> bool:
        """Whether the terms allow as many nodes for the wished period at all."""
        return why_not(terms, window=self.wish(terms, now), nodes=self.nodes, now=now) is None


def check_period(*, starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> None:
    """
    Refuse a period that makes no sense. One that has begun already is read as beginning now.

    :raises BadPeriod: if it lies in the past, ends before it starts, or starts more than 60 days ahead
    """
    if starts_at and starts_at > now + HORIZON:
        raise BadPeriod("starts_at", f"Choose a start before {now + HORIZON:%Y-%m-%d %H:%M} UTC, 60 days ahead.")
    if ends_at and ends_at <= now:
        raise BadPeriod("ends_at", f"Choose an end after now ({now:%Y-%m-%d %H:%M} UTC).")
    if starts_at and ends_at and ends_at <= starts_at:
        raise BadPeriod("ends_at", "Choose an end after the start.")
