"""Nodes that a quote holds: a note on their calendars that lapses by the clock, so that no sweep has to end it."""

from contextlib import suppress
from datetime import datetime

from django.db import transaction

from leasing.operations import calendar
from leasing.operations.booking import guaranteed, nodes_taken
from marketplace.models import Offer, Terms
from marketplace.queries import Window, occupied


@transaction.atomic
def keep(
    *,
    offer: Offer,
    terms: Terms,
    nodes: int,
    starts_at: datetime,
    ends_at: datetime | None,
    quote: str,
    instead_of: str,
    until: datetime,
    now: datetime,
) -> None:
    """
    Hold `nodes` nodes of the offer for a quote, all or none, in place of what the quote `instead_of` holds ("": none).

    An order of the quote takes exactly these, as long as it comes before `until`.

    :raises NodesTaken: if fewer are free for the whole period; what `instead_of` holds stays held then
    """
    before = calendar.lock_held_for(instead_of)
    calendar.let_go(node_ids=before, quote=instead_of)
    # An open-ended lease begins with its order, which may come as late as `until`.
    window = Window(starts_at, occupied(terms, starts_at if ends_at else until, ends_at).ends_at)
    try:
        found = _lock(offer, terms, nodes=nodes, window=window, open_ended=ends_at is None, wait=not before, now=now)
    except calendar.TooFewNodes:
        raise nodes_taken(offer=offer, nodes=nodes, starts_at=starts_at, now=now) from None
    calendar.hold(node_ids=found, period=window, quote=quote, until=until)


def _lock(
    offer: Offer, terms: Terms, *, nodes: int, window: Window, open_ended: bool, wait: bool, now: datetime
) -> list[int]:
    """For an open-ended lease rather nodes with nothing booked behind, as its order would choose."""
    if open_ended:
        with suppress(calendar.TooFewNodes):
            horizon = guaranteed(terms, window.starts_at)
            return calendar.ids(
                calendar.lock_unheld_nodes(pool=offer.pool, nodes=nodes, window=horizon, now=now, wait=False)
            )
    return calendar.ids(calendar.lock_unheld_nodes(pool=offer.pool, nodes=nodes, window=window, now=now, wait=wait))
