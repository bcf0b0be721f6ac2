"""What a tenant sees of its GPUs: its own time on the node, by slot, minute and hour, in the API and on the page."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from rest_framework.test import APIClient

from accounts.models import Organization
from leasing.models import Lease, Machine
from leasing.provisioners.base import GPUReading
from leasing.provisioners.fake import World
from leasing.telemetry.house import GRACE, keep_house
from leasing.telemetry.rollup import roll_minutes
from leasing.telemetry.samples import write
from leasing.telemetry.series import series, xid_errors
from marketplace.models import Node, Offer
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active
from tests.leasing.telemetry_world import a_gpu, a_reading

pytestmark = pytest.mark.django_db

SLOT, MINUTE = timedelta(seconds=15), timedelta(minutes=1)
CAME, LEFT = NOON + 20 * MINUTE, NOON + 2 * HOUR + 40 * MINUTE


@pytest.fixture
def lease(acme: Organization, world: World) -> Lease:
    """On the node from 12:20 to 14:40; another tenant was there before, and one came after."""
    cache.clear()
    return active(acme, factories.an_offer(), nodes=1)


@pytest.fixture
def machine(lease: Lease) -> Machine:
    Machine.objects.filter(lease=lease).update(touched_at=CAME, access_ended_at=LEFT)
    return lease.machines.get()


@pytest.fixture
def api(acme: Organization) -> APIClient:
    return a_client(a_token(acme, acme.members.get()))


@pytest.fixture
def browser(acme: Organization) -> Browser:
    return a_browser(acme.members.get())


def run(node: Node, since: datetime, until: datetime, **figures: Any) -> None:
    """A GPU that draws 240 W: 1 Wh in each slot; it counts from noon."""
    slots = [since + place * SLOT for place in range((until - since) // SLOT)]
    write(a_reading(node, at, a_gpu(energy_mj=(at - NOON) // SLOT * 3_600_000, **figures)) for at in slots)


def others_too(machine: Machine) -> None:
    """This tenant's samples between those of two others, who are fully busy."""
    run(machine.node, NOON, CAME, utilization=100)
    run(machine.node, CAME, LEFT, utilization=50)
    run(machine.node, LEFT, NOON + 4 * HOUR, utilization=100)


def whole(machine: Machine, step: timedelta) -> Any:
    [line] = series(machine, step=step, since=NOON, until=NOON + DAY, now=NOON + DAY)
    return line


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "packed"])
@pytest.mark.parametrize("step", [SLOT, MINUTE, HOUR], ids=["15s", "1m", "1h"])
def test_nothing_of_another_tenant_is_ever_shown(machine: Machine, step: timedelta, packed: bool) -> None:  # noqa: FBT001
    others_too(machine)
    if packed:
        keep_house(now=NOON + 5 * HOUR + GRACE)
    else:
        roll_minutes(until=NOON + 5 * HOUR)
    line = whole(machine, step)
    assert {point.utilization_max_percent for point in line.points} == {50}
    assert sum(point.samples for point in line.points) == (LEFT - CAME) // SLOT
    assert line.points[-1].at + step >= LEFT
    assert line.energy_wh == (LEFT - CAME) // SLOT - 1, "from the first sample to the last"


def test_a_gap_stays_a_gap_and_what_was_used_in_it_counts_for_the_next_point(machine: Machine) -> None:
    run(machine.node, CAME, CAME + 2 * MINUTE)
    run(machine.node, CAME + 5 * MINUTE, CAME + 7 * MINUTE)
    keep_house(now=CAME + 8 * MINUTE)
    line = whole(machine, MINUTE)
    assert [(point.at - CAME) // MINUTE for point in line.points] == [0, 1, 5, 6]
    assert [point.energy_wh for point in line.points] == [3, 4, 16, 4]


def test_a_lost_gpu_is_a_gap(machine: Machine) -> None:
    write([a_reading(machine.node, CAME), a_reading(machine.node, CAME + SLOT, GPUReading(0, "GPU-0", lost=True))])
    keep_house(now=CAME + MINUTE)
    assert [len(whole(machine, step).points) for step in (SLOT, MINUTE)] == [1, 1]


def test_a_machine_that_nobody_has_touched_shows_nothing(lease: Lease) -> None:
    machine = lease.machines.get()
    run(machine.node, CAME, LEFT)
    machine.touched_at = None
    stretch = {"since": NOON, "until": NOON + DAY, "now": NOON + DAY}
    assert series(machine, step=SLOT, **stretch) == []
    assert xid_errors(machine, **stretch) == []


def asked(api: APIClient, lease: Lease, **parameters: str) -> Any:
    return api.get(f"/api/v1/leases/{lease.public_id}/telemetry", parameters)


STRETCH = {"from": CAME.isoformat(), "until": (CAME + 10 * MINUTE).isoformat()}


def test_the_api_shows_figures_with_their_units(api: APIClient, lease: Lease, machine: Machine) -> None:
    run(machine.node, CAME, CAME + 2 * MINUTE)
    write([a_reading(machine.node, CAME + 2 * MINUTE, a_gpu(xid=79, energy_mj=84 * 3_600_000 + 10_800_000))])
    keep_house(now=CAME + 3 * MINUTE)
    answer = asked(api, lease, step="1m", **STRETCH).json()

    assert (answer["lease"], answer["machine"], answer["step_seconds"]) == (lease.public_id, machine.public_id, 60)
    [gpu] = answer["gpus"]
    assert (gpu["index"], gpu["uuid"], len(gpu["points"])) == (0, "GPU-0", 3)
    assert gpu["points"][0] == {
        "at": "2026-03-02T12:20:00Z",
        "samples": 4,
        "utilization_percent": 90,
        "utilization_max_percent": 90,
        "memory_max_mib": 70_000,
        "temperature_max_c": 60,
        "power_mw": 600_000,
        "energy_wh": 3.0,
    }
    assert answer["xid_errors"] == [{"at": "2026-03-02T12:22:00Z", "index": 0, "code": 79}]


def test_the_last_hour_by_the_minute_is_what_one_gets_without_asking(api: APIClient, lease: Lease) -> None:
    answer = asked(api, lease).json()
    since, until = (datetime.fromisoformat(answer[name]) for name in ("since", "until"))
    assert (answer["step_seconds"], until - since) == (60, HOUR)


WRONG = {
    "step": ({"step": "5m"}, "step", "5m"),
    "machine": ({"machine": "mc_other"}, "machine", "Name one of this lease's machines: mc_"),
    "backwards": ({"from": "2026-03-02T12:00:00Z", "until": "2026-03-02T12:00:00Z"}, "from", "before `until`"),
    "too long": ({"from": "2026-03-01T12:00:00Z", "until": "2026-03-02T12:00:00Z", "step": "15s"}, "from",
                 "5,760 steps of 15 s, and 1,500 is the most. Ask for a shorter time, or for a longer `step`."),
    "no time": ({"from": "yesterday"}, "from", "2026-03-02T12:00:00Z"),
    "unknown": ({"form": "2026-03-01T12:00:00Z"}, "form", "Known here: from, machine, step, until"),
}  # fmt: skip


@pytest.mark.parametrize(("parameters", "field", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_asked_is_refused_with_the_way_out(
    api: APIClient, lease: Lease, parameters: dict[str, str], field: str, words: str
) -> None:
    answer = asked(api, lease, **parameters)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert words in answer.json()["errors"][0]["message"]


def test_another_organizations_lease_has_no_telemetry(lease: Lease) -> None:
    other = factories.an_organization("Other")
    assert asked(a_client(a_token(other, other.members.get())), lease).status_code == 404
    assert a_browser(other.members.get()).get(f"/leases/{lease.public_id}/telemetry/").status_code == 404


def test_the_page_draws_a_line_for_each_gpu_and_breaks_it_at_gaps(
    browser: Browser, lease: Lease, machine: Machine
) -> None:
    run(machine.node, LEFT - 30 * MINUTE, LEFT - 20 * MINUTE)
    run(machine.node, LEFT - 10 * MINUTE, LEFT)
    keep_house(now=LEFT)
    html = browser.get(f"/leases/{lease.public_id}/telemetry/", headers={"HX-Request": "true"}).content.decode()

    assert "<html" not in html
    assert html.count("<svg") == 4
    [power] = re.findall(r'aria-label="(Power[^"]*)"', html)
    assert power == "Power of 1 GPU over time, from 0 to 600 W: newest 600 W, highest 600 W"
    assert all(path.count("M") == 2 for path in re.findall(r'class="chart__line" d="([^"]+)"', html))
    assert "119.0 Wh were used" in html
    assert "style=" not in html and "hx-trigger" not in html, "the tenant has left: there will be no news"


def test_the_page_asks_for_news_while_the_tenant_is_there_and_has_a_whole_page_without_scripts(
    browser: Browser, lease: Lease
) -> None:
    Machine.objects.filter(lease=lease).update(touched_at=NOON)
    html = browser.get(f"/leases/{lease.public_id}/telemetry/?span=lease").content.decode()
    assert "<html" in html
    assert 'hx-trigger="every 60s"' in html
    assert "Nothing has been heard of the GPUs in this lease yet." in html


def test_a_lease_with_several_machines_offers_each(
    browser: Browser, api: APIClient, acme: Organization, world: World
) -> None:
    offer: Offer = factories.an_offer(factories.a_pool(2))
    lease = active(acme, offer, nodes=2)
    first, second = lease.machines.order_by("pk")
    html = browser.get(f"/leases/{lease.public_id}/telemetry/?machine={second.public_id}").content.decode()
    assert f"GPUs of {second.node.name}" in re.sub("<[^>]+>", "", html)
    assert first.node.name in html
    assert "Name one of this lease's machines" in asked(api, lease).json()["errors"][0]["message"]
    assert asked(api, lease, machine=first.public_id).json()["machine"] == first.public_id
