"""Standing orders in words."""

from collections.abc import Iterable
from datetime import timedelta

from billing.models import StandingOrder
from marketplace.models import GPUModel, Plan, Provisioner, Region, Site
from marketplace.money import MICROS_PER_CENT, format_micros


def described(orders: Iterable[StandingOrder]) -> list[tuple[StandingOrder, str]]:
    """Each with what it waits for, such as "2 nodes of 8 × H100 SXM in North America for 48 h"."""
    names = dict(Region.choices)
    names |= dict(GPUModel.objects.values_list("slug", "name"))
    names |= dict(Site.objects.values_list("slug", "place"))
    names |= dict(Plan.objects.values_list("slug", "name"))
    return [(order, _words(order, names)) for order in orders]


def _words(order: StandingOrder, names: dict[str, str]) -> str:
    asked = {name: names.get(value, value) for name, value in order.criteria.items()}
    count = f"{order.nodes} nodes" if order.nodes > 1 else "1 node"
    gpus = f"{asked['gpus']} × " if "gpus" in asked else ""
    parts = [f"{count} of {gpus}{asked.get('gpu_model', 'any GPU')}"]
    if place := asked.get("site", asked.get("region")):
        parts.append(f"in {place}")
    if order.length_seconds:
        parts.append(f"for {timedelta(seconds=order.length_seconds) / timedelta(hours=1):g} h")
    more = [
        "in one fabric group" if order.same_fabric else "",
        asked.get("plan", "" if order.length_seconds else _kinds(order)).lower(),
        f"{asked['gpu_memory_gb']} GB a GPU or more" if "gpu_memory_gb" in asked else "",
        f"{asked['renewable_share']} % renewable or more" if "renewable_share" in asked else "",
        _machines(order.criteria.get("provisioner")),
        _ceiling(order.max_micros_per_node_hour),
    ]
    return ", ".join([" ".join(parts), *filter(None, more)])


def _kinds(order: StandingOrder) -> str:
    return "on demand or surplus" if order.accepts_surplus else "on demand"


def _machines(provisioner: str | None) -> str:
    """As the catalogue's filter calls them; "" for all."""
    if provisioner is None:
        return ""
    return "simulated only" if provisioner == Provisioner.SANDBOX else "real only"


def _ceiling(micros: int | None) -> str:
    return "" if micros is None else f"at most {rate_words(micros)}"


def rate_words(micros: int) -> str:
    """A rate with no digit lost, such as "$3.60 per node-hour"."""
    return f"{format_micros(micros, places=6 if micros % MICROS_PER_CENT else 2)} per node-hour"
