"""All of the catalogue's files, checked one by one and against each other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marketplace.catalogue.parse import BadCatalogue, csv_rows, toml_rows, typed_rows
from marketplace.catalogue.rows import (
    PLANS,
    GPUModelRow,
    GridZoneRow,
    ImageRow,
    NodeTypeRow,
    PlanRow,
    SiteRow,
    StockRow,
    TargetRow,
    TermsRow,
)

DATA = Path(__file__).parent / "data"
NODES_SHARE_OF_POWER = 0.85  # of what a site can draw; the rest cools and buffers


@dataclass(frozen=True)
class Catalogue:
    """Everything in the files, each reference checked."""

    grid_zones: Sequence[GridZoneRow]
    sites: Sequence[SiteRow]
    gpu_models: Sequence[GPUModelRow]
    node_types: Sequence[NodeTypeRow]
    targets: Sequence[TargetRow]
    images: Sequence[ImageRow]
    plans: Sequence[PlanRow]
    terms: Sequence[TermsRow]
    stock: Sequence[StockRow]


def read(*, folder: Path = DATA) -> Catalogue:
    """
    The catalogue in `folder`.

    :raises BadCatalogue: for a missing file or column, a value out of its limits, a double, a reference to nothing,
        or a site whose nodes draw more than their share of its power
    """
    zones = typed_rows(GridZoneRow, "grid_zones.csv", csv_rows(folder, "grid_zones.csv"), key=("code",))
    models = typed_rows(GPUModelRow, "gpu_models.csv", csv_rows(folder, "gpu_models.csv"), key=("slug",))
    sites = typed_rows(
        SiteRow, "sites.csv", csv_rows(folder, "sites.csv"), key=("slug",), grid_zone=[z.code for z in zones]
    )
    types = typed_rows(
        NodeTypeRow,
        "node_types.csv",
        csv_rows(folder, "node_types.csv"),
        key=("slug",),
        gpu_model=[m.slug for m in models],
    )
    targets = typed_rows(
        TargetRow,
        "targets.csv",
        csv_rows(folder, "targets.csv"),
        key=("node_type", "measure"),
        node_type=[t.slug for t in types],
    )
    images = typed_rows(ImageRow, "images.csv", csv_rows(folder, "images.csv"), key=("slug",))
    plans = typed_rows(PlanRow, "plans.toml", toml_rows(folder, "plans.toml", "plan"), key=("slug",))
    terms = typed_rows(TermsRow, "plans.toml", toml_rows(folder, "plans.toml", "terms"), key=("plan",))
    if missing := set(PLANS).difference(plan.slug for plan in plans):
        raise BadCatalogue("plans.toml", "the whole file", f"there is no plan {' and '.join(sorted(missing))}.")
    if missing := set(PLANS).difference(row.plan for row in terms):
        raise BadCatalogue("plans.toml", "the whole file", f"there are no terms of {' and '.join(sorted(missing))}.")
    stock = typed_rows(
        StockRow,
        "stock.csv",
        csv_rows(folder, "stock.csv"),
        key=("site", "node_type"),
        site=[s.slug for s in sites],
        node_type=[t.slug for t in types],
    )
    _check_power(sites, types, stock)
    return Catalogue(zones, sites, models, types, targets, images, plans, terms, stock)


def _check_power(sites: Sequence[SiteRow], types: Sequence[NodeTypeRow], stock: Sequence[StockRow]) -> None:
    watts = {node_type.slug: node_type.power_w for node_type in types}
    drawn: dict[str, int] = defaultdict(int)
    for row in stock:
        drawn[row.site] += row.count * watts[row.node_type]
    for site in sites:
        most = int(site.power_kw * 1000 * NODES_SHARE_OF_POWER)
        if drawn[site.slug] > most:
            raise BadCatalogue(
                "stock.csv", site.slug, f"its nodes draw {drawn[site.slug]} W, more than {most} W. Take some away."
            )
