"""A small world to lease in: one function for each thing, with sensible defaults."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from accounts.models import Membership, Organization, Role, SSHKey, User
from marketplace.models import (
    GPUModel,
    GridZone,
    Image,
    Node,
    NodeCalendar,
    NodeType,
    Offer,
    Plan,
    PlanKind,
    Pool,
    Provisioner,
    Rate,
    Region,
    Site,
    Terms,
)
from marketplace.states import NodeState

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday; the instant at which most tests begin
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MICROS_PER_NODE_HOUR = 3_600_000  # $3.60: one thousand micro-dollars a second

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
_serial = count(1)


def a_site(slug: str = "macon") -> Site:
    zone, _ = GridZone.objects.get_or_create(
        code="US-SE", defaults={"name": "Southeast", "gco2_per_kwh": 380, "renewable_percent": 12, "source": "tests"}
    )
    defaults: dict[str, Any] = {
        "name": slug.title(),
        "place": f"{slug.title()}, Georgia",
        "country": "US",
        "region": Region.NORTH_AMERICA,
        "kind": Site.Kind.HUB,
        "latitude": 32.8,
        "longitude": -83.6,
        "time_zone": "America/New_York",
        "grid_zone": zone,
        "power_kw": 50_000,
    }
    site, _ = Site.objects.get_or_create(slug=slug, defaults=defaults)
    return site


def a_node_type(slug: str = "h100x8", gpus: int = 8) -> NodeType:
    h100, _ = GPUModel.objects.get_or_create(
        slug="h100-sxm",
        defaults={
            "name": "H100 SXM",
            "vendor": "NVIDIA",
            "memory_gb": 80,
            "memory_type": "HBM3",
            "bandwidth_gbs": 3350,
            "fp16_tflops": 989,
            "fp8_tflops": 1979,
            "tdp_w": 700,
            "interconnect": "NVLink",
            "source": "tests",
        },
    )
    defaults: dict[str, Any] = {
        "name": f"{gpus} × H100",
        "gpu_model": h100,
        "gpu_count": gpus,
        "cpu": "2 × 56 cores",
        "vcpus": 224,
        "memory_gb": 2048,
        "nvme_gb": 30_000,
        "network_gbps": 400,
        "power_w": 10_200,
    }
    node_type, _ = NodeType.objects.get_or_create(slug=slug, defaults=defaults)
    return node_type


def a_plan(kind: str = PlanKind.ON_DEMAND, **terms: Any) -> Plan:
    """A plan, with terms in force since long before the tests' noon."""
    defaults = {"name": kind.replace("_", " "), "summary": "For tests.", "kind": kind}
    plan, made = Plan.objects.get_or_create(slug=kind, defaults=defaults)
    if made or terms:
        the_terms(plan, **terms)
    return plan


def the_terms(plan: Plan, *, starts_at: datetime = NOON - 30 * DAY, **fields: Any) -> Terms:
    """Terms of a plan from a moment on."""
    reserved = plan.kind == PlanKind.RESERVED
    usual = {
        "announced_at": starts_at,
        "cleaning_seconds": 900,
        "guarantee_seconds": 7 * 86_400,
        "renew_within_seconds": 6 * 86_400,
        "min_seconds": 3600 if reserved else 60,
        "max_seconds": 60 * 86_400,
        "granularity_seconds": 3600 if reserved else 1,
        "max_ahead_seconds": 60 * 86_400 if reserved else 0,
        "start_deadline_seconds": 600,
    }
    return Terms.objects.create(plan=plan, starts_at=starts_at, **{**usual, **fields})


def a_pool(
    nodes: int = 1, *, provisioner: str = Provisioner.FAKE, site: Site | None = None, node_type: NodeType | None = None
) -> Pool:
    pool, _ = Pool.objects.get_or_create(
        site=site or a_site(), node_type=node_type or a_node_type(), provisioner=provisioner
    )
    for _ in range(nodes):
        a_node(pool)
    return pool


def a_node(pool: Pool, **fields: Any) -> Node:
    number = next(_serial)
    node = Node.objects.create(
        **{
            "name": f"{pool.site.slug}-{pool.node_type.slug}-{number:04}",
            "pool": pool,
            "address": "10.0.0.1",
            "host_key": PUBLIC_KEY,
            "state": NodeState.AVAILABLE,
            "state_since": NOON - DAY,
            **fields,
        }
    )
    NodeCalendar.objects.create(node=node, pool=pool)
    return node


def an_offer(pool: Pool | None = None, plan: Plan | None = None, micros: int = MICROS_PER_NODE_HOUR) -> Offer:
    offer, _ = Offer.objects.get_or_create(pool=pool or a_pool(), plan=plan or a_plan())
    Rate.objects.get_or_create(offer=offer, starts_at=NOON - 30 * DAY, defaults={"micros_per_node_hour": micros})
    return offer


def an_image() -> Image:
    image, _ = Image.objects.get_or_create(
        slug="base", defaults={"name": "Base", "reference": "localhost/base", "size_mb": 100, "contents": "A shell."}
    )
    return image


def an_organization(name: str = "Acme Robotics") -> Organization:
    organization = Organization.objects.create(name=name)
    user = a_user(f"owner{next(_serial)}@example.com")
    Membership.objects.create(organization=organization, user=user, role=Role.OWNER)
    return organization


def a_user(email: str = "", **fields: Any) -> User:
    return User.objects.create_user(email or f"user{next(_serial)}@example.com", "correct horse battery", **fields)


def a_key(organization: Organization) -> SSHKey:
    key, _ = SSHKey.objects.get_or_create(
        organization=organization,
        fingerprint="SHA256:tests",
        defaults={
            "name": "laptop",
            "algorithm": "ssh-ed25519",
            "public_key": PUBLIC_KEY,
            "created_by": organization.members.get(),
        },
    )
    return key
