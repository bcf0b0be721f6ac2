"""Two sites, three kinds of nodes, two plans: small enough to know by heart."""

from dataclasses import dataclass

import pytest
from django.core.cache import cache

from marketplace.models import GPUModel, GridZone, Offer, PlanKind, Provisioner, Region, Site
from tests import factories


@dataclass(frozen=True)
class Fair:
    """What is on sale. All on demand unless said otherwise."""

    big: Offer  # 2 nodes of 8 H100 in Macon: $3.60 a node-hour, $0.45 a GPU-hour; grid 380 g/kWh, 12 % renewable
    big_reserved: Offer  # the same nodes, reserved: $3.00
    small: Offer  # 1 simulated node of 1 L4 in Macon: $0.50
    green: Offer  # 3 nodes of 4 H100 in Itaipu: $4.00 a node-hour, $1.00 a GPU-hour; grid 25 g/kWh, 100 % renewable


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def fair(db: None) -> Fair:
    reserved = factories.a_plan(PlanKind.RESERVED)
    reserved.position = 1
    reserved.save()
    pool = factories.a_pool(nodes=2)
    l4 = factories.a_node_type("l4x1", gpus=1)
    l4.gpu_model = _l4()
    l4.save()
    small = factories.a_pool(nodes=1, node_type=l4, provisioner=Provisioner.SANDBOX)
    green = factories.a_pool(nodes=3, node_type=factories.a_node_type("h100x4", gpus=4), site=_itaipu())
    return Fair(
        big=factories.an_offer(pool),
        big_reserved=factories.an_offer(pool, reserved, micros=3_000_000),
        small=factories.an_offer(small, micros=500_000),
        green=factories.an_offer(green, micros=4_000_000),
    )


def _l4() -> GPUModel:
    h100 = GPUModel.objects.get(slug="h100-sxm")
    h100.pk, h100.slug, h100.name, h100.memory_gb = None, "l4", "L4", 24
    h100.save()
    return h100


def _itaipu() -> Site:
    site = factories.a_site("itaipu")
    site.grid_zone = GridZone.objects.create(
        code="PY", name="Paraguay", gco2_per_kwh=25, renewable_percent=100, source="tests"
    )
    site.place, site.country, site.region = "Hernandarias, Alto Paraná", "PY", Region.SOUTH_AMERICA
    site.time_zone = "America/Asuncion"
    site.save()
    return site
