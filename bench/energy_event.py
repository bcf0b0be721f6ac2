"""
A grid event at full size, as a dispatcher asks for it: shown, confirmed, told as a command, read back, and proven.

Each miner's plug has a meter, which tells once a second: so who lies is found out, and what is counted can be compared
with what is drawn.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.energy_miners import FLEET, MOST_SECONDS, SITE_WATTS, Part, Standin, miners, standing_in, words
from bench.table import Table, chapter

PERCENT, HOURS = 25, 3
TELLS_EVERY, HOLDS = 1.0, 15  # seconds
# All plugs at once: a reading each, of the miners in the order of their addresses.
TELL = """
    INSERT INTO energy_reading (feed_id, starts_at, ends_at, value, source, fetched_at)
    SELECT feed, %(now)s, %(now)s + make_interval(secs => %(holds)s), watts, 'bench', %(now)s
      FROM unnest(%(feeds)s::bigint[], %(watts)s::bigint[]) AS told (feed, watts)
"""


def measure(table: Table, fleet: Sequence[Part]) -> None:
    """A quarter less for a site of which these miners draw most, and the house and firm leases the rest."""
    share = sum(part.count for part in fleet) / sum(part.count for part in FLEET)
    watts = round(SITE_WATTS * share)
    with (
        chapter(f"A grid event: {PERCENT} % less at a site that draws {watts / 1e6:g} MW"),
        standing_in(fleet) as standin,
    ):
        miners(standin, fleet)
        _event(table, standin, watts)


def _event(table: Table, standin: Standin, site_watts: int) -> None:
    from energy.models import Command  # noqa: PLC0415 - Django is set up by now
    from energy.queries.standing import standing  # noqa: PLC0415

    site = _site(standin, site_watts)
    with _plugs(standin):
        before, began = standin.ask("meter")["watts"], time.perf_counter()
        shown, (command, *others) = _ordered(site)
        took = time.perf_counter() - began
        after = standin.ask("meter")["watts"]
    here = standing(site, now=_now())
    assert here is not None
    report, wanted = Command.objects.get(pk=command.pk).outcome, shown.wanted_watts
    table.add("from asking for the plan until it is read back", took, "s", bar=MOST_SECONDS, most=True,
              note=f"{sum(report['outcomes'].values()):,} miners told: {words(report['outcomes'])}")  # fmt: skip
    counted, drawn = (100 * watts / shown.drawn_watts for watts in (
        here.sources["grid"], shown.drawn_watts - before + after))  # fmt: skip
    table.add("of what it drew, as read back, who disobeys as load", counted, "%", bar=100 - PERCENT, most=True)
    table.add("of what it drew, as its meters show", drawn, "%", bar=100 - PERCENT, most=True)
    table.add("more than was asked for", (before - after - wanted) / 1e6, "MW", bar=0.1, most=True)
    table.add("commands that touch anything but miners", len(others), "", bar=0, most=True)


def _ordered(site: Any) -> tuple[Any, list[Any]]:
    """The preview, and its commands once the site's worker has carried them out."""
    from energy import carrying_out, curtailing  # noqa: PLC0415

    now = _now()
    shown = curtailing.preview(site=site, percent=PERCENT, hours=HOURS, starts_at=now, now=now)
    made = curtailing.confirm(token=shown.token, actor="user:us_bench", now=now)
    for command in carrying_out.due(now=now):
        carrying_out.carry_out(command=command, now=_now())
    return shown, made


def _site(standin: Standin, watts: int) -> Any:
    """The miners' site with a contract, a hash price, and a meter behind each plug."""
    from datetime import timedelta  # noqa: PLC0415

    from energy.models import Feed, FeedKind, Miner, PowerContract, Reading  # noqa: PLC0415
    from marketplace.models import Site  # noqa: PLC0415

    site, now, day = Site.objects.get(slug="bench"), _now(), timedelta(days=1)
    house = watts - standin.ask("meter")["watts"]
    usual = {"largest_supply_watts": watts // 2, "gpu_pue_permille": 1000, "mining_pue_permille": 1000, "note": "bench"}
    PowerContract.objects.create(site=site, starts_at=now - day, interconnect_watts=watts, house_watts=house, **usual)
    price = Feed.objects.create(slug="hash-price", name="Hash price", kind=FeedKind.HASH_PRICE)
    Reading.objects.create(
        feed=price, starts_at=now, ends_at=now + day, value=40_000_000, source="bench", fetched_at=now
    )
    rows = list(Miner.objects.filter(site=site))
    plugs = [Feed(slug=f"plug-{row.pk}", name=row.name, kind=FeedKind.SOCKET, site=site) for row in rows]
    for row, plug in zip(rows, Feed.objects.bulk_create(plugs, batch_size=2000), strict=True):
        row.meter = plug
    Miner.objects.bulk_update(rows, ["meter"], batch_size=2000)
    return site


@contextmanager
def _plugs(standin: Standin) -> Iterator[None]:
    """They tell, from a thread with a connection of its own, until the block is over."""
    from energy.models import Miner  # noqa: PLC0415

    meters, over = dict(Miner.objects.values_list("address", "meter")), threading.Event()
    thread = threading.Thread(target=_tell, args=(standin, meters, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tell(standin: Standin, meters: dict[str, int], over: threading.Event) -> None:
    from django.db import connection  # noqa: PLC0415

    try:
        while not over.wait(TELLS_EVERY):
            now, drawn = _now(), standin.ask("meter")["miners"]
            told = {"now": now, "holds": HOLDS, "feeds": list(meters.values()), "watts": [drawn[a] for a in meters]}
            with connection.cursor() as cursor:
                cursor.execute(TELL, told)
    finally:
        connection.close()


def _now() -> Any:
    from accounts.clock import now  # noqa: PLC0415

    return now()
