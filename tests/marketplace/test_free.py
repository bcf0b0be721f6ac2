"""What is free, as the database says it, beside the same counted by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.multirange import TimestamptzMultirange
from psycopg.types.range import Range

from marketplace.models import Node, NodeCalendar, Offer
from marketplace.queries import (
    HORIZON,
    Criteria,
    Search,
    Sort,
    Window,
    all_terms,
    counted_on,
    earliest,
    find,
    free_nodes,
)
from marketplace.queries.finding import hits_of
from marketplace.queries.windows import free_gaps
from marketplace.states import IN_STOCK, NodeState
from tests.factories import HOUR, NOON
from tests.marketplace.conftest import Fair

pytestmark = pytest.mark.django_db
CLEANING = timedelta(minutes=15)
MINE, THEIRS = "qt_mine", "qt_theirs"


def window(start: int, hours: int, step: timedelta = HOUR) -> Window:
    return Window(NOON + start * step, NOON + (start + hours) * step)


def windows(latest: int, step: timedelta = HOUR) -> st.SearchStrategy[Window]:
    return st.builds(window, st.integers(0, latest), st.integers(1, 9), st.just(step))


@dataclass(frozen=True)
class Hold:
    period: Window
    quote: str
    until: datetime


@dataclass(frozen=True)
class Machine:
    """A node as a piece of paper says it."""

    state: str
    cordoned: bool
    busy: Sequence[Window]
    hold: Hold | None

    @property
    def in_stock(self) -> bool:
        return self.state in IN_STOCK and not self.cordoned

    def is_free(self, wanted: Window, quote: str = "") -> bool:
        held = [self.hold.period] if self.hold and self.hold.until > NOON and self.hold.quote != quote else []
        taken = any(w.starts_at < wanted.ends_at and wanted.starts_at < w.ends_at for w in [*self.busy, *held])
        return self.in_stock and not taken and (self.state == NodeState.AVAILABLE or wanted.starts_at > NOON)

    def write(self, node: Node) -> None:
        hold = self.hold
        Node.objects.filter(pk=node.pk).update(state=self.state, cordoned_at=NOON if self.cordoned else None)
        NodeCalendar.objects.filter(pk=node.pk).update(
            busy=TimestamptzMultirange([Range(w.starts_at, w.ends_at) for w in self.busy]),
            held=Range(hold.period.starts_at, hold.period.ends_at) if hold else None,
            held_until=hold.until if hold else None,
            held_for=hold.quote if hold else "",
        )


def machines(step: timedelta = HOUR) -> st.SearchStrategy[Machine]:
    until = st.sampled_from([NOON, NOON + HOUR])
    return st.builds(
        Machine,
        st.sampled_from([NodeState.AVAILABLE] * 4 + list(NodeState)),
        st.sampled_from([False] * 5 + [True]),
        st.lists(windows(24, step), max_size=3),
        st.none() | st.builds(Hold, windows(20, step), st.sampled_from([MINE, THEIRS]), until),
    )


few_examples = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # each writes every node anew


@few_examples
@given(fleet=st.lists(machines(), min_size=6, max_size=6), wanted=windows(20), nodes=st.integers(1, 3))
def test_the_search_answers_what_is_counted_by_hand(
    fair: Fair, fleet: list[Machine], wanted: Window, nodes: int
) -> None:
    for node, machine in zip(rows := list(Node.objects.order_by("pk")), fleet, strict=True):
        machine.write(node)
    for quote in ("", MINE):
        free = free_nodes(window=wanted, now=NOON, quote=quote).values_list("pk", flat=True)
        assert set(free) == {n.pk for n, machine in zip(rows, fleet, strict=True) if machine.is_free(wanted, quote)}
    criteria = Criteria(nodes=nodes, starts_at=wanted.starts_at, ends_at=wanted.ends_at)
    count = by_hand(fair, dict(zip(rows, fleet, strict=True)), criteria)
    for sort in (Sort.PRICE, Sort.FREE):
        hits = find(criteria=criteria, now=NOON, sort=sort)
        shown = counted_on(hits=hits, criteria=criteria, now=NOON)  # up to ten, which is more than there are
        assert [(hit.offer_id, hit.free) for hit in shown] == in_order(count, sort, nodes)
    plans = {plan: terms for plan, terms in all_terms(at=NOON).items() if criteria.fits(terms, NOON)}
    some = hits_of({}, criteria=criteria, plans=plans, now=NOON, counted=nodes, that_could_serve=True)
    assert {hit.offer_id: (hit.free, hit.more_free) for hit in some} == {
        offer.pk: (min(free, nodes), free > nodes) for offer, free in count.items()
    }


def by_hand(fair: Fair, fleet: dict[Node, Machine], criteria: Criteria) -> dict[Offer, int]:
    """How many nodes are free of each offer that could serve."""
    plans, found = all_terms(at=NOON), {}
    for sold in (fair.big, fair.big_reserved, fair.small, fair.green):
        terms, mine = plans[sold.plan_id], [machine for node, machine in fleet.items() if node.pool_id == sold.pool_id]
        if criteria.fits(terms, NOON) and sum(machine.in_stock for machine in mine) >= criteria.nodes:
            wish = criteria.wish(terms, NOON)
            taken = Window(wish.starts_at, wish.ends_at + CLEANING)
            found[sold] = sum(machine.is_free(taken) for machine in mine)
    return found


def in_order(count: dict[Offer, int], sort: str, nodes: int) -> list[tuple[int, int]]:
    """Those with enough first, then as wished, then by the price of a GPU."""
    ranked = []
    for offer, free in count.items():
        price = offer.rates.get().micros_per_node_hour // offer.pool.node_type.gpu_count
        ranked.append((free < nodes, -free if sort == Sort.FREE else price, price, offer.pk, free))
    return [(offer, free) for *_, offer, free in sorted(ranked)]


@st.composite
def fleets(draw: st.DrawFn) -> tuple[timedelta, list[Machine]]:
    """Three nodes, booked for hours or for weeks: the search looks at two days first, then at eight, then behind."""
    step = draw(st.sampled_from([HOUR, 9 * HOUR, 50 * HOUR]))
    return step, draw(st.lists(machines(step), min_size=3, max_size=3))


@few_examples
@given(drawn=fleets(), steps=st.integers(1, 12), nodes=st.integers(1, 3))
def test_the_first_start_is_the_first_minute_at_which_enough_are_free(
    fair: Fair, drawn: tuple[timedelta, list[Machine]], steps: int, nodes: int
) -> None:
    """Everything begins and ends on the steps; a node that is late is hoped for in a minute."""
    step, fleet = drawn
    for node, machine in zip(Node.objects.filter(pool=fair.green.pool).order_by("pk"), fleet, strict=True):
        machine.write(node)
    terms, last = all_terms(at=NOON)[fair.green.plan_id], NOON + 40 * step
    found = earliest(
        searches=[Search(7, fair.green.pool_id, terms, Window(NOON, NOON + steps * step))], nodes=nodes, now=NOON
    )
    starts = [NOON, NOON + timedelta(minutes=1), *(NOON + n * step for n in range(1, 40))]
    takes = {start: Window(start, start + steps * step + CLEANING) for start in starts}
    by_hand = next(
        (start for start in starts if sum(machine.is_free(takes[start]) for machine in fleet) >= nodes), None
    )
    assert found.get(7) == (by_hand if by_hand and by_hand <= NOON + HORIZON else None)
    gaps = [gap for node in free_gaps(offer=fair.green, reach=Window(NOON, last), now=NOON) for gap in node]
    for start in starts[1:]:
        inside = sum(gap.starts_at <= start and takes[start].ends_at <= gap.ends_at for gap in gaps)
        if takes[start].ends_at <= last:
            assert inside == sum(machine.is_free(takes[start]) for machine in fleet)


@pytest.mark.parametrize("state", NodeState)
def test_the_database_and_the_states_agree_on_what_is_in_stock(fair: Fair, state: NodeState) -> None:
    Node.objects.filter(pool=fair.small.pool_id).update(state=state)
    ahead = free_nodes(window=window(1, 1), now=NOON).filter(pool=fair.small.pool_id)
    assert ahead.exists() == (state in IN_STOCK)
