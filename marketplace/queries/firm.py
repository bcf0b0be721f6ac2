"""Firm power that is left of a site, as the database counts it for orders too: power.sql, beside this file."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.types.range import TimestamptzRange

from accounts.prepared import ask
from marketplace.models import Offer, PlanKind, Site


@dataclass(frozen=True)
class Limited:
    """A time in which neither changes: what a site may sell firm, and what of it is sold or held, in watts."""

    starts_at: datetime
    ends_at: datetime
    firm_watts: int
    sold_watts: int


@dataclass(frozen=True)
class Level:
    """A time in which an offer's site has firm power for so many nodes more of it."""

    starts_at: datetime
    ends_at: datetime
    nodes: int


def firm_power(*, site: Site, starts_at: datetime, until: datetime, now: datetime, quote: str = "") -> list[Limited]:
    """
    The site's firm power between two moments, in order; times without a limit are left out, and what is held for the
    quote counts as free. One query.
    """
    wanted: list[Any] = [site.pk, TimestamptzRange(starts_at, until), quote, now]
    return [Limited(since.astimezone(UTC), end.astimezone(UTC), *watts) for since, end, *watts in ask(OF_SITE, wanted)]


def has_power(
    *, offer: Offer, nodes: int, starts_at: datetime, until: datetime, now: datetime, quote: str = ""
) -> bool:
    """
    Whether an order of so many nodes of the offer could have firm power all along; what is held for the quote counts as
    free, and surplus needs none. One query, which costs a look into an index where the site has plenty.
    """
    if offer.plan.kind == PlanKind.SURPLUS:
        return True
    pool = offer.pool
    wanted: list[Any] = [pool.site_id, pool.node_type.power_w, nodes, TimestamptzRange(starts_at, until), quote, now]
    [(most,)] = ask(POWERS, wanted)
    return bool(most >= nodes)


def levels(
    *, offers: Collection[int], starts_at: datetime, until: datetime, now: datetime
) -> Mapping[int, list[Level]]:
    """
    For each offer's key, in order, how many nodes can be sold for their site's power; nothing where that is not
    limited, or for a surplus plan. One query, however many offers.
    """
    found: dict[int, list[Level]] = defaultdict(list)
    if not offers:
        return found
    wanted: dict[str, Any] = {"offers": list(offers), "wanted": TimestamptzRange(starts_at, until), "now": now}
    for offer, since, end, nodes in ask(OF_OFFERS, wanted):
        found[offer].append(Level(since.astimezone(UTC), end.astimezone(UTC), nodes))
    return found


OF_SITE = """
    SELECT lower(period), upper(period), firm_watts, sold_watts
      FROM site_firm_power(%s, %s::tstzrange, %s, %s::timestamptz) ORDER BY period
"""
POWERS = "SELECT site_powers(%s, %s, %s, %s::tstzrange, %s, %s::timestamptz)"
OF_OFFERS = """
    SELECT offer.id, lower(power.period), upper(power.period),
           greatest(0, (power.firm_watts - power.sold_watts) / greatest(kind.power_w, 1))
      FROM marketplace_offer AS offer
      JOIN marketplace_plan AS plan ON plan.id = offer.plan_id AND plan.kind <> 'surplus'
      JOIN marketplace_pool AS pool ON pool.id = offer.pool_id
      JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
     CROSS JOIN LATERAL site_firm_power(pool.site_id, %(wanted)s::tstzrange, '', %(now)s::timestamptz) AS power
     WHERE offer.id = ANY(%(offers)s::bigint[])
       AND EXISTS (SELECT FROM marketplace_powerwindow AS win
                    WHERE win.site_id = pool.site_id AND win.period && %(wanted)s::tstzrange)
     ORDER BY power.period
"""
