"""Where to go on from what is shown: addresses that carry a number of nodes and a period."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from marketplace.models import Offer, PlanKind
from marketplace.queries import Criteria

ORDER = "/order/"  # billing's pages: what is chosen here, ordered
WAIT = "/standing-orders/new/"  # and waited for


def wish_of(criteria: Criteria, zone: str = "") -> str:
    """Number of nodes and period as a query string, "" where nothing is said. `zone`: chosen to show times in."""
    several = nodes(criteria) if criteria.nodes > 1 else {}
    query = urlencode(several | period(criteria.starts_at, criteria.ends_at, zone))
    return f"?{query}" if query else ""


def order_address(offer: Offer, criteria: Criteria, zone: str = "") -> str:
    """Where this is ordered: for the period asked for, where the plan has periods."""
    reserved = offer.plan.kind == PlanKind.RESERVED
    said = period(criteria.starts_at, criteria.ends_at, zone) if reserved else {}
    return f"{ORDER}?{urlencode({'offer': offer.public_id} | nodes(criteria) | said)}"


def wait_address(criteria: Criteria, **asked: object) -> str:
    """Where one stands in line for what is asked: the catalogue's filters, and the period as one that will do."""
    known = {name: value for name, value in asked.items() if value not in (None, "")}
    said = period(criteria.starts_at, criteria.ends_at)
    renamed = {"starts_at": "earliest_at", "ends_at": "latest_at"}
    times = {renamed[name]: at for name, at in said.items()}
    if criteria.starts_at and criteria.ends_at:
        times["length_hours"] = str(max(1, (criteria.ends_at - criteria.starts_at) // timedelta(hours=1)))
    return f"{WAIT}?{urlencode(known | times | nodes(criteria))}"


def wait_for(offer: Offer, criteria: Criteria) -> str:
    """Where one stands in line for nodes of an offer."""
    pool = offer.pool
    gpu = pool.node_type.gpu_model
    return wait_address(
        criteria,
        plan=offer.plan.slug,
        site=pool.site.slug,
        gpu_model=gpu.slug if gpu else None,
        gpus=pool.node_type.gpu_count or None,
        provisioner=pool.provisioner,
    )


def nodes(criteria: Criteria) -> dict[str, str]:
    """How many, and whether all of one fabric group, as the fields of forms take it."""
    return {"nodes": str(criteria.nodes)} | ({"same_fabric": "on"} if criteria.together else {})


def period(starts_at: datetime | None, ends_at: datetime | None, zone: str = "") -> dict[str, str]:
    """What is said of a period, as the fields of forms take it: UTC, to the minute, whichever zone they show it in."""
    mark = "Z" if zone else ""
    times = {"starts_at": starts_at, "ends_at": ends_at}
    said = {name: f"{at.astimezone(UTC):%Y-%m-%dT%H:%M}{mark}" for name, at in times.items() if at}
    return said | ({"zone": zone} if zone else {})
