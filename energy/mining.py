"""What a site's miners draw, as it was read of them, is written down over time: hours are counted from it."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import connection

from accounts import clock
from accounts.operations import for_each
from energy import operations
from energy.models import BY_METERS, BY_SILENCE, FRESH, Feed, FeedKind, Miner, PowerContract, Source
from marketplace.models import Site

HOLDS = timedelta(minutes=15)  # how long a reading holds if no other follows; then nobody knows
SECOND = timedelta(seconds=1)
BY_MINERS = "miners"
USUAL_PUE, THOUSAND = 1040, 1000

# What plugs say. A reading counts if it is not stale and began once the miner had had the time to obey.
SOCKETS = """
    SELECT miner.id, reading.value
      FROM energy_miner AS miner
      JOIN energy_minerclass AS kind ON kind.id = miner.miner_class_id
      JOIN energy_feed AS feed ON feed.id = miner.meter_id
      CROSS JOIN LATERAL (
           SELECT value, starts_at, ends_at FROM energy_reading
            WHERE feed_id = feed.id AND starts_at <= %(now)s ORDER BY starts_at DESC LIMIT 1) AS reading
     WHERE miner.id = ANY(%(miners)s)
       AND reading.ends_at >= %(now)s - make_interval(secs => feed.age_limit_seconds)
       AND reading.starts_at >= miner.since + make_interval(secs => CASE WHEN miner.asleep THEN kind.ramp_down_seconds
                                                                         ELSE 0 END)
"""


def sockets(miners: Collection[int]) -> Mapping[int, int]:
    """Watts by miner of those whose plug has a meter that tells of now: what commands and looks are judged by."""
    with connection.cursor() as cursor:
        cursor.execute(SOCKETS, {"miners": list(miners), "now": clock.now()})
        return {miner: max(int(watts), 0) for miner, watts in cursor.fetchall()}


def tell_all(*, now: datetime) -> None:
    """What the miners of every site draw now. Safe to run twice, late, or never: then those hours are missing."""
    for_each(Site.objects.filter(miners__isnull=False).distinct(), lambda site: tell(site=site, now=now))


def tell(*, site: Site, now: datetime) -> None:
    """Write down what the site's miners draw at the meter."""
    watts, source = _drawn(site, now)
    operations.read(feed=_feed(site), value=watts, holds=HOLDS, source=source, now=now)


def _feed(site: Site) -> Feed:
    """Where it is written; made when the site's miners are first read."""
    feed, _ = Feed.objects.get_or_create(
        slug=f"miners-{site.slug}"[:60],
        defaults={
            "name": f"Miners of {site.name}, as read"[:100],
            "kind": FeedKind.MINING,
            "site": site,
            "source": Feed.Source.MINERS,
            "step_seconds": HOLDS // SECOND,
            "age_limit_seconds": FRESH // SECOND,
        },
    )
    return feed


def _drawn(site: Site, now: datetime) -> tuple[int, str]:
    """Watts at the site's meter, and whose word that is: meters' if all have one; nobody's if one was not read."""
    rows = Miner.objects.filter(site=site).values_list("load_watts", "load_source", "read_at", "miner_class__watts")
    watts, metered, read = 0, True, True
    for load, source, read_at, nameplate in rows.iterator():
        fresh = read_at is not None and now - read_at <= FRESH
        watts += load if fresh else max(load, nameplate)
        metered &= source == Source.METER
        read &= fresh
    contract = PowerContract.objects.filter(site=site).in_force(now).first()
    pue = contract.mining_pue_permille if contract else USUAL_PUE
    return watts * pue // THOUSAND, BY_SILENCE if not read else BY_METERS if metered else BY_MINERS
