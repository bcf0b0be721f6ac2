"""The catalogue's files are sound, and loading them is safe at any time."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from marketplace.catalogue import BadCatalogue, Catalogue, CatalogueShrunk, load, read
from marketplace.catalogue.read import DATA
from marketplace.models import Node, NodeCalendar, NodeTransition, Offer, Pool, Rate, Region, Site, Target
from marketplace.states import NodeState

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
MACON_H100 = "macon,h100x8,sandbox,320,19200000,15360000,10560000"


@pytest.fixture(scope="module")
def files() -> Catalogue:
    return read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the files, to spoil."""
    return Path(shutil.copytree(DATA, tmp_path / "data"))


def edit(folder: Path, file: str, old: str, new: str) -> None:
    before = (folder / file).read_text()
    assert before.count(old) == 1
    (folder / file).write_text(before.replace(old, new))


def test_there_is_one_hub_in_georgia_and_over_forty_edge_sites_in_four_regions(files: Catalogue) -> None:
    hubs = [site for site in files.sites if site.kind == "hub"]
    edges = [site for site in files.sites if site.kind == "edge"]
    assert [(hub.place, hub.power_kw) for hub in hubs] == [("Macon, Georgia", 50_000)]
    assert len(edges) >= 44
    assert {site.region for site in edges} == set(Region.values)
    assert all(500 <= site.power_kw <= 6000 for site in edges)


def test_there_are_over_twelve_gpu_models_and_each_is_for_sale_somewhere(files: Catalogue) -> None:
    in_stock = {row.node_type for row in files.stock}
    sold = {node_type.gpu_model for node_type in files.node_types if node_type.slug in in_stock}
    assert len(files.gpu_models) >= 12
    assert sold == {model.slug for model in files.gpu_models}


def test_a_few_thousand_nodes_are_spread_over_every_site(files: Catalogue) -> None:
    by_site = {site.slug: sum(row.count for row in files.stock if row.site == site.slug) for site in files.sites}
    assert 3000 <= sum(by_site.values()) <= 3600
    assert all(10 <= count <= 80 for slug, count in by_site.items() if slug != "macon")


def test_a_reservation_is_cheaper_than_the_same_node_on_demand(files: Catalogue) -> None:
    assert all(row.reserved_micros < row.on_demand_micros for row in files.stock)


def test_surplus_is_cheaper_still_and_promises_a_notice_within_a_tenth_of_the_month(files: Catalogue) -> None:
    sold = [row for row in files.stock if row.surplus_micros is not None]
    assert {row.site for row in sold} == {"macon"}
    assert all(row.surplus_micros and row.surplus_micros < row.reserved_micros for row in sold)
    terms = {row.plan: row for row in files.terms}
    assert (terms["surplus"].notice_seconds, terms["surplus"].more_notice_seconds) == (3600, 900)
    assert terms["surplus"].interruption_seconds_per_30_days <= 30 * 86_400 // 10
    assert not any(terms[firm].notice_seconds for firm in ("on_demand", "reserved"))


def test_a_gpu_hour_costs_what_the_market_asks(files: Catalogue) -> None:
    gpus = {node_type.slug: node_type.gpu_count for node_type in files.node_types}
    dollars = [row.on_demand_micros / gpus[row.node_type] / 1_000_000 for row in files.stock]
    assert min(dollars) >= 0.30
    assert max(dollars) <= 6.00


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("sites.csv", "32.8407", "north", r"sites.csv, line 2: latitude: 'north' is not a number"),
        (
            "sites.csv",
            "Africa/Kampala,UG,1500",
            "Africa/Jinja,UG,1500",
            r"time_zone: 'Africa/Jinja' must be an IANA time zone",
        ),
        ("sites.csv", "America/Asuncion,PY,6000", "America/Asuncion,XX,6000", r"grid_zone: there is no 'XX'"),
        (
            "grid_zones.csv",
            "renewable_percent",
            "renewables",
            r"line 2: renewable_percent, renewables: missing or unknown",
        ),
        (
            "gpu_models.csv",
            "L4,NVIDIA,24,",
            "L4,NVIDIA,24.5,",
            r"gpu_models.csv, line 2: memory_gb: '24.5' is not a whole number",
        ),
        ("stock.csv", MACON_H100, MACON_H100.replace("320", "0"), r"count: '0' must be between 1 and 9999"),
        ("stock.csv", MACON_H100, "macon,h100x8,sandbox", r"stock.csv, line \d+: count: '' is not a whole number"),
        (
            "plans.toml",
            "guarantee_seconds = 604800",
            "guarantee_seconds = 1.5",
            r"terms 1: guarantee_seconds: '1.5' is not",
        ),
        ("stock.csv", MACON_H100, f"{MACON_H100}\n{MACON_H100}", r"macon/h100x8 is there twice"),
        (
            "stock.csv",
            MACON_H100,
            MACON_H100.replace("320", "9999"),
            r"stock.csv, macon: its nodes draw \d+ W, more than 42500000 W",
        ),
        (
            "plans.toml",
            'kind = "reserved"',
            'kind = "leased"',
            r"plans.toml, plan 2: kind: 'leased' must be one of on_demand, reserved",
        ),
        ("targets.csv", "h100x8,matmul,675,5", "h100x8,beauty,675,5", r"measure: 'beauty' must be one of disk_read"),
        ("targets.csv", "h100x8,matmul,675,5", "h100x8,matmul,675,100", r"tolerance_percent: '100' must be between 0"),
        ("targets.csv", "h100x8,matmul,675,5", "h100,matmul,675,5", r"node_type: there is no 'h100'"),
        ("plans.toml", 'kind = "reserved"', "kind = reserved", r"plans.toml, the whole file: not TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_field(
    folder: Path, file: str, old: str, new: str, message: str
) -> None:
    edit(folder, file, old, new)
    with pytest.raises(BadCatalogue, match=message):
        read(folder=folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "images.csv").unlink()
    with pytest.raises(BadCatalogue, match=r"images.csv, the whole file: there is none in"):
        read(folder=folder)


@pytest.mark.django_db
def test_everything_in_the_files_is_in_the_database_after_loading(files: Catalogue) -> None:
    load(now=NOW)
    nodes = sum(row.count for row in files.stock)
    assert (Site.objects.count(), Pool.objects.count()) == (len(files.sites), len(files.stock))
    sold = sum(len(row.micros_by_plan) for row in files.stock)
    assert Offer.objects.count() == Rate.objects.count() == sold > 2 * len(files.stock)
    assert Node.objects.filter(state=NodeState.AVAILABLE, address="").count() == nodes
    assert NodeCalendar.objects.count() == NodeTransition.objects.count() == nodes


@pytest.mark.django_db
def test_loading_twice_changes_nothing() -> None:
    load(now=NOW, node_limit=1)
    assert str(load(now=LATER, node_limit=1)) == "nothing to change"


@pytest.mark.django_db
def test_a_changed_price_supersedes_the_old_rate_and_keeps_it(folder: Path) -> None:
    load(now=NOW, node_limit=1)
    edit(folder, "stock.csv", MACON_H100, "macon,h100x8,sandbox,320,20000000,15360000,10560000")
    summary = load(now=LATER, node_limit=1, folder=folder)
    rates = Rate.objects.filter(
        offer__pool__site__slug="macon", offer__pool__node_type__slug="h100x8", offer__plan__slug="on_demand"
    )
    assert list(rates.values_list("micros_per_node_hour", "starts_at")) == [(20_000_000, LATER), (19_200_000, NOW)]
    assert (summary.added, summary.changed) == ({"rate": 1}, {})


@pytest.mark.django_db
def test_a_corrected_figure_is_corrected_in_place(folder: Path) -> None:
    load(now=NOW, node_limit=1)
    macon = Site.objects.get(slug="macon")
    edit(folder, "sites.csv", "US-SE-SOCO,50000", "US-SE-SOCO,52000")
    summary = load(now=LATER, node_limit=1, folder=folder)
    assert (summary.added, summary.changed) == ({}, {"site": 1})
    macon.refresh_from_db()
    assert macon.power_kw == 52_000


def test_every_node_type_has_targets_that_its_gpus_can_reach(files: Catalogue) -> None:
    gpus = {model.slug: model for model in files.gpu_models}
    wanted = {(row.node_type, row.measure): row.value for row in files.targets}
    for node_type in files.node_types:
        gpu = gpus[node_type.gpu_model]
        assert 0.7 <= wanted[node_type.slug, "gpu_memory_bandwidth"] / gpu.bandwidth_gbs <= 0.9
        assert 0.4 <= wanted[node_type.slug, "matmul"] / gpu.fp16_tflops <= 0.8
        assert {"disk_write", "disk_read", "network"} <= {measure for slug, measure in wanted if slug == node_type.slug}


@pytest.mark.django_db
def test_a_corrected_target_is_corrected_in_place(folder: Path) -> None:
    load(now=NOW, node_limit=1)
    edit(folder, "targets.csv", "h100x8,matmul,675,5", "h100x8,matmul,700,3")
    summary = load(now=LATER, node_limit=1, folder=folder)
    assert (summary.added, summary.changed) == ({}, {"target": 1})
    target = Target.objects.get(node_type__slug="h100x8", measure="matmul")
    assert (target.value, target.tolerance_percent, target.least) == (700, 3, 679.0)


@pytest.mark.django_db
def test_a_row_taken_out_of_the_files_stays_in_the_database(folder: Path) -> None:
    load(now=NOW, node_limit=1)
    edit(folder, "stock.csv", f"{MACON_H100}\n", "")
    assert str(load(now=LATER, node_limit=1, folder=folder)) == "nothing to change"
    assert Node.objects.filter(name="macon-h100x8-0001").exists()


@pytest.mark.django_db
def test_nodes_are_not_counted_away_but_retired_first(folder: Path) -> None:
    load(now=NOW, node_limit=2)
    edit(folder, "stock.csv", MACON_H100, MACON_H100.replace("320", "1"))
    with pytest.raises(
        CatalogueShrunk, match=r"macon h100x8: count is 1, but macon-h100x8-0002 exists. Retire it first."
    ):
        load(now=LATER, folder=folder)
    Node.objects.get(name="macon-h100x8-0002").move_to(NodeState.RETIRED, at=LATER)
    assert str(load(now=LATER, node_limit=1, folder=folder)) == "nothing to change"


@pytest.mark.django_db
def test_the_command_says_what_it_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_catalogue", "--node-limit=1")
    call_command("load_catalogue", "--node-limit=1")
    first, second = capsys.readouterr().out.splitlines()
    assert "site: 52 added" in first
    assert second == "Catalogue: nothing to change."
