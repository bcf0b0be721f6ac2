"""The questions, the search's answers and those of a statement by hand, in turns."""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any, TypeVar
from urllib.parse import urlencode

import psycopg
from django.db import connection

from accounts.clock import now
from bench.search_world import World
from bench.table import Table
from marketplace.queries import Criteria, find
from marketplace.serializers import listing

CLEANING = timedelta(minutes=15)

# The best that we know by hand for these tables, for anybody who asks: for each pool of a class that the plan sells,
# the price in force and the first free nodes, no more than wanted, claims and holds that count minded; of the pools
# that have as many, the cheapest first. Prepared once. It is given the plan's terms, and says nothing of later starts.
BY_HAND = """
    PREPARE by_hand (text, tstzrange, int, timestamptz) AS
    SELECT pool.id, rate.micros_per_node_hour
      FROM marketplace_pool AS pool
      JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id AND kind.slug = $1
      JOIN marketplace_offer AS offer ON offer.pool_id = pool.id AND offer.listed
      JOIN marketplace_plan AS plan ON plan.id = offer.plan_id AND plan.slug = 'reserved' AND NOT plan.private
     CROSS JOIN LATERAL (
           SELECT micros_per_node_hour FROM marketplace_rate
            WHERE offer_id = offer.id AND organization_id IS NULL AND starts_at <= $4
            ORDER BY starts_at DESC LIMIT 1) AS rate
     CROSS JOIN LATERAL (
           SELECT count(*) AS nodes FROM (
               SELECT 1 FROM marketplace_nodecalendar AS calendar
                 JOIN marketplace_node AS node ON node.id = calendar.node_id
                WHERE calendar.pool_id = pool.id AND NOT calendar.busy && $2
                  AND (calendar.held_until IS NULL OR calendar.held_until <= $4 OR NOT calendar.held && $2)
                  AND node.cordoned_at IS NULL AND node.state IN ('available', 'leased', 'deploying', 'wiping')
                LIMIT $3) AS first) AS free
     WHERE free.nodes = $3
     ORDER BY rate.micros_per_node_hour, pool.id
"""


@dataclass(frozen=True)
class Question:
    """So many nodes of a class, side by side, for a window."""

    kind: str
    nodes: int
    starts_at: datetime
    ends_at: datetime

    @property
    def criteria(self) -> Criteria:
        """As the product is asked."""
        return Criteria(
            plan="reserved",
            gpu_model=self.kind,
            gpus=8,
            nodes=self.nodes,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )

    @property
    def address(self) -> str:
        """The same over the API."""
        window = {"starts_at": f"{self.starts_at:%Y-%m-%dT%H:%M:%SZ}", "ends_at": f"{self.ends_at:%Y-%m-%dT%H:%M:%SZ}"}
        wanted = {"plan": "reserved", "gpu_model": self.kind, "gpus": 8, "nodes": self.nodes}
        return f"/api/v1/offers?{urlencode(wanted | window)}"

    def by_hand(self, cursor: psycopg.Cursor[tuple[object, ...]]) -> None:
        """The same in SQL."""
        window = self.starts_at, self.ends_at + CLEANING
        cursor.execute(
            "EXECUTE by_hand (%s, tstzrange(%s, %s), %s, %s)", [self.kind, *window, self.nodes, datetime.now(UTC)]
        )
        cursor.fetchall()


def questions(world: World, count: int) -> list[Question]:
    """Classes by their size, windows of an hour to thirty days that begin within 29 days."""
    chance, found = random.Random(7), []
    for _ in range(count):
        (kind,) = chance.choices(world.classes, world.weights)
        starts_at = (world.now + timedelta(hours=chance.randrange(1, 700))).replace(minute=0, second=0, microsecond=0)
        ends_at = starts_at + timedelta(hours=chance.choice([1, 4, 24, 72, 168, 720]))
        found.append(Question(kind, chance.choice([1, 2, 4, 8, 16]), starts_at, ends_at))
    return found


def in_process(table: Table, asked: Sequence[Question], *, rounds: int) -> float:
    """
    Adds the product's search beside the statement by hand; returns its statements' best p95 in milliseconds.

    Each question is put to both, chance decides to whom first: what else the machine does in between, and what the
    other one has just read, slows or helps both alike.
    """
    chance = random.Random(11)
    connection.close()  # with what it has prepared
    with connection.cursor() as cursor:
        cursor.execute(BY_HAND)
        turns = [_in_turns(asked, cursor, chance) for _ in range(rounds)]
    searched, stated, by_hand = ([p95(times) for times in each] for each in zip(*turns, strict=True))
    table.add("the statement by hand, p95", min(by_hand), "ms", middle=median(by_hand))
    table.add(
        "the search's own statements, terms and more of each offer, p95", min(stated), "ms", middle=median(stated)
    )
    table.add("the whole search, p95", min(searched), "ms", middle=median(searched))
    ratios = [one / other for one, other in zip(stated, by_hand, strict=True)]
    table.middle("the search's statements by the one by hand", ratios, "times", bar=1.2, most=True)
    cpu = [_page_cpu() for _ in range(rounds)]
    table.add("CPU of a page of 50 offers, search and all", min(cpu), "ms", bar=6, most=True, middle=median(cpu))
    return min(stated)


def _in_turns(asked: Sequence[Question], cursor: Any, chance: random.Random) -> tuple[list[float], ...]:
    """Milliseconds for each question: of the whole search, of its statements, and of the statement by hand."""
    searched: list[float] = []
    stated: list[float] = []
    by_hand: list[float] = []
    ways: list[tuple[list[float], Callable[[Question], None]]] = [
        (searched, lambda question: stated.append(_search(question))),
        (by_hand, lambda question: question.by_hand(cursor)),
    ]
    for question in asked:
        for times, ask in chance.sample(ways, len(ways)):
            times += timed(ask, [question])
    return searched, stated, by_hand


def _search(question: Question) -> float:
    """Ask the product; milliseconds of it that its statements took."""
    took = 0.0

    def measured(execute: Callable[..., object], *arguments: object) -> object:
        nonlocal took
        began = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            took += 1000 * (time.perf_counter() - began)

    moment = now()  # both are told it
    with connection.execute_wrapper(measured):
        find(criteria=question.criteria, now=moment)
    return took


def _page_cpu() -> float:
    hits = find(criteria=Criteria(plan="reserved"), now=now())[:50]
    began = time.process_time()
    json.dumps(listing(hits=hits, criteria=Criteria(plan="reserved"), now=now()), default=str)
    return 1000 * (time.process_time() - began)


Asked = TypeVar("Asked")


def timed(ask: Callable[[Asked], object], asked: Sequence[Asked]) -> list[float]:
    """Milliseconds of each."""
    found = []
    for question in asked:
        began = time.perf_counter()
        ask(question)
        found.append(1000 * (time.perf_counter() - began))
    return found


def p95(times: Sequence[float]) -> float:
    """What nineteen of twenty do not exceed."""
    return quantiles(times, n=20)[-1]
