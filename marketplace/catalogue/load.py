"""The catalogue's files into the database: adds and corrects, never deletes, and writes nothing that is already so."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

from marketplace.catalogue.read import DATA, Catalogue, read
from marketplace.catalogue.rows import StockRow, TargetRow, TermsRow
from marketplace.catalogue.write import Summary, add, upsert
from marketplace.models import (
    ANNOUNCED_AHEAD,
    GPUModel,
    GridZone,
    Image,
    Node,
    NodeCalendar,
    NodeTransition,
    NodeType,
    Offer,
    Plan,
    Pool,
    Rate,
    Site,
    Target,
    Terms,
)
from marketplace.states import NodeState

ACTOR = "system:catalogue"
LOCK = 0x6361_7461  # one load at a time, on however many machines it is started


class CatalogueShrunk(Exception):
    """A file lists fewer nodes of a pool than are not retired. Nodes leave one by one, never by counting down."""


@transaction.atomic
def load(*, now: datetime, node_limit: int | None = None, folder: Path = DATA) -> Summary:
    """
    Make the database hold what the files say. What they no longer name stays.

    A price that differs from the one in force is superseded by a new rate from `now`, terms by new ones after seven
    days. `node_limit` adds at most so many nodes to each pool.

    :raises BadCatalogue: if a file is wrong
    :raises CatalogueShrunk: if a pool's count fell below the nodes that it has
    """
    catalogue, summary = read(folder=folder), Summary()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    sites, types = _load_sites_and_types(catalogue, summary)
    _load_targets(catalogue.targets, types, summary)
    pools = _load_pools(catalogue.stock, sites, types, summary)
    _load_nodes(pools, now, node_limit, summary)
    plans = upsert(Plan, "slug", map(asdict, catalogue.plans), summary)
    _load_terms(catalogue.terms, plans, now, summary)
    _load_rates(pools, _load_offers(pools, plans, summary), now, summary)
    return summary


def _load_sites_and_types(catalogue: Catalogue, summary: Summary) -> tuple[dict[str, Site], dict[str, NodeType]]:
    zones = upsert(GridZone, "code", map(asdict, catalogue.grid_zones), summary)
    gpus = upsert(GPUModel, "slug", map(asdict, catalogue.gpu_models), summary)
    upsert(Image, "slug", map(asdict, catalogue.images), summary)
    sites = (_refer(asdict(row), grid_zone=zones) for row in catalogue.sites)
    types = (_refer(asdict(row), gpu_model=gpus) for row in catalogue.node_types)
    return upsert(Site, "slug", sites, summary), upsert(NodeType, "slug", types, summary)


def _load_targets(rows: Sequence[TargetRow], types: Mapping[str, NodeType], summary: Summary) -> None:
    found = {(target.node_type_id, target.measure): target for target in Target.objects.all()}
    new: dict[tuple[int, str], Target] = {}
    changed: list[Target] = []
    for row in rows:
        key, figures = (types[row.node_type].pk, row.measure), (row.value, row.tolerance_percent)
        target = found.get(key) or Target(node_type_id=key[0], measure=key[1])
        if (target.value, target.tolerance_percent) == figures:
            continue
        target.value, target.tolerance_percent = figures
        changed += [target] if key in found else []
        new |= {} if key in found else {key: target}
    add(new, summary)
    if changed:
        Target.objects.bulk_update(changed, ["value", "tolerance_percent"])
        summary.changed["target"] += len(changed)


def _load_terms(rows: Sequence[TermsRow], plans: Mapping[str, Plan], now: datetime, summary: Summary) -> None:
    """A plan's first terms hold at once; such that differ from its newest ones are announced, and hold 7 days later."""
    latest = Terms.objects.order_by("plan_id", "-starts_at").distinct("plan_id")
    newest, new = {terms.plan_id: terms for terms in latest}, {}
    for row in rows:
        values, plan = asdict(row), plans[row.plan]
        values.pop("plan")
        known = newest.get(plan.pk)
        if known is None or any(getattr(known, name) != value for name, value in values.items()):
            starts_at = now + ANNOUNCED_AHEAD if known else now
            new[plan.pk] = Terms(plan=plan, announced_at=now, starts_at=starts_at, **values)
    add(new, summary)


def _refer(values: dict[str, Any], **targets: Mapping[str, Model]) -> dict[str, Any]:
    """The values with each reference by name made a database key, in the foreign key's own column."""
    keys = {f"{name}_id": entries[values.pop(name)].pk for name, entries in targets.items()}
    return {**values, **keys}


def _load_pools(
    stock: Sequence[StockRow], sites: Mapping[str, Site], types: Mapping[str, NodeType], summary: Summary
) -> list[tuple[StockRow, Pool]]:
    found = {(pool.site_id, pool.node_type_id, pool.provisioner): pool for pool in Pool.objects.all()}
    rows = {(sites[row.site].pk, types[row.node_type].pk, row.provisioner): row for row in stock}
    new = {key: Pool(site_id=key[0], node_type_id=key[1], provisioner=key[2]) for key in rows if key not in found}
    pools = {**found, **add(new, summary)}
    return [(row, pools[key]) for key, row in rows.items()]


def _load_nodes(
    pools: Iterable[tuple[StockRow, Pool]], now: datetime, node_limit: int | None, summary: Summary
) -> None:
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for pool_id, name, state in Node.objects.values_list("pool_id", "name", "state"):
        found[pool_id][name] = state
    missing: dict[str, Node] = {}
    for row, pool in pools:
        names = row.node_names()
        _refuse_fewer(row, found[pool.pk], frozenset(names))
        new = (name for name in names[:node_limit] if name not in found[pool.pk])
        missing |= {
            name: Node(name=name, pool=pool, state=NodeState.AVAILABLE, state_since=now, reason="catalogue")
            for name in new
        }
    nodes = add(missing, summary).values()
    NodeCalendar.objects.bulk_create(NodeCalendar(node=node, pool_id=node.pool_id) for node in nodes)
    NodeTransition.objects.bulk_create(
        NodeTransition(node=node, seq=0, new=node.state, at=now, reason=node.reason, actor=ACTOR) for node in nodes
    )


def _refuse_fewer(row: StockRow, found: Mapping[str, str], names: frozenset[str]) -> None:
    in_use = (name for name, state in found.items() if name.startswith(row.node_prefix) and state != NodeState.RETIRED)
    if extra := max(set(in_use) - names, default=None):
        raise CatalogueShrunk(
            f"stock.csv, {row.site} {row.node_type}: count is {row.count}, but {extra} exists. Retire it first."
        )


def _load_offers(
    pools: Iterable[tuple[StockRow, Pool]], plans: Mapping[str, Plan], summary: Summary
) -> dict[tuple[int, str], Offer]:
    found = {(offer.pool_id, offer.plan.slug): offer for offer in Offer.objects.select_related("plan")}
    wanted = [(pool, slug) for row, pool in pools for slug in row.micros_by_plan]
    new = {(pool.pk, slug): Offer(pool=pool, plan=plans[slug]) for pool, slug in wanted if (pool.pk, slug) not in found}
    return {**found, **add(new, summary)}


def _load_rates(
    pools: Iterable[tuple[StockRow, Pool]], offers: Mapping[tuple[int, str], Offer], now: datetime, summary: Summary
) -> None:
    newest_first = (
        Rate.objects.filter(organization=None, starts_at__lte=now)
        .order_by("offer_id", "-starts_at")
        .distinct("offer_id")
    )
    in_force = dict(newest_first.values_list("offer_id", "micros_per_node_hour"))
    asked = {offers[pool.pk, slug].pk: micros for row, pool in pools for slug, micros in row.micros_by_plan.items()}
    new = {pk: micros for pk, micros in asked.items() if in_force.get(pk) != micros}
    add({pk: Rate(offer_id=pk, micros_per_node_hour=micros, starts_at=now) for pk, micros in new.items()}, summary)
