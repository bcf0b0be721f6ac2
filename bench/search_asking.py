"""The questions, the product's answers and the database's own, in turns."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection
from statistics import median, quantiles
from urllib.parse import urlencode

import psycopg
from django.core.cache import cache
from django.db import connection, connections

from accounts.clock import now
from bench.search_world import World
from bench.table import Table
from marketplace.queries import Criteria, find
from marketplace.serializers import listing

CLIENTS = 8
CLEANING = timedelta(minutes=15)

# The best that we know by hand for these tables: for each pool of a class the first free nodes, no more than wanted,
# and of the pools that have as many the cheapest; prepared once.
BY_HAND = """
    PREPARE by_hand (text, tstzrange, int) AS
    SELECT pool.id, rate.micros_per_node_hour
      FROM marketplace_pool AS pool
      JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id AND kind.slug = $1
      JOIN marketplace_offer AS offer ON offer.pool_id = pool.id AND offer.listed
      JOIN marketplace_plan AS plan ON plan.id = offer.plan_id AND plan.slug = 'reserved'
      JOIN marketplace_rate AS rate ON rate.offer_id = offer.id
     CROSS JOIN LATERAL (
           SELECT count(*) AS nodes FROM (
               SELECT 1 FROM marketplace_nodecalendar AS calendar
                 JOIN marketplace_node AS node ON node.id = calendar.node_id
                WHERE calendar.pool_id = pool.id AND NOT calendar.busy && $2
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
        until = self.ends_at + CLEANING
        cursor.execute("EXECUTE by_hand (%s, tstzrange(%s, %s), %s)", [self.kind, self.starts_at, until, self.nodes])
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
    """Adds the product's search beside the statement by hand; returns its statements' best p95 in milliseconds."""
    searched, stated, by_hand = [], [], []
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
        cursor.execute(BY_HAND)
        for _ in range(rounds):
            in_database: list[float] = []
            searched.append(p95(timed(lambda q: in_database.append(_search(q)), asked)))  # noqa: B023
            stated.append(p95(in_database))
            by_hand.append(p95(timed(lambda q: q.by_hand(cursor), asked)))  # type: ignore[arg-type]
    table.add("the statement by hand, p95", min(by_hand), "ms", middle=median(by_hand))
    table.add("the search's own statements, which count all free nodes, p95", min(stated), "ms", middle=median(stated))
    table.add("the whole search, p95", min(searched), "ms", middle=median(searched))
    ratios = [one / other for one, other in zip(stated, by_hand, strict=True)]
    table.add(
        "the search's statements by the one by hand", min(ratios), "times", bar=1.2, most=True, middle=median(ratios)
    )
    cpu = [_page_cpu() for _ in range(rounds)]
    table.add("CPU of a page of 50 offers, search and all", min(cpu), "ms", bar=6, most=True, middle=median(cpu))
    return min(stated)


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

    with connection.execute_wrapper(measured):
        find(criteria=question.criteria, now=now())
    return took


def _page_cpu() -> float:
    hits = find(criteria=Criteria(plan="reserved"), now=now())[:50]
    began = time.process_time()
    json.dumps(listing(hits=hits, criteria=Criteria(plan="reserved"), now=now()), default=str)
    return 1000 * (time.process_time() - began)


def over_http(table: Table, asked: Sequence[Question], *, rounds: int) -> None:
    """The API's p95 beside that of the statement by hand, with one client and with eight."""
    with _web() as port:
        for clients in (1, CLIENTS):
            api, by_hand = [], []
            for _ in range(rounds):
                cache.clear()  # the callers' rate limits
                api.append(p95(_together(clients, asked, lambda mine: _get_all(port, mine))))
                by_hand.append(p95(_together(clients, asked, _execute_all)))
            words = f"{clients} client{'s' if clients > 1 else ''}"
            table.add(f"GET offers, p95, {words}", min(api), "ms", middle=median(api))
            table.add(f"the statement by hand, p95, {words}", min(by_hand), "ms", middle=median(by_hand))
            ratios = [one / other for one, other in zip(api, by_hand, strict=True)]
            table.add(f"GET offers by the statement, {words}", min(ratios), "times", bar=2, most=True)


def timed(ask: Callable[[Question], object], asked: Sequence[Question]) -> list[float]:
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


def _together(clients: int, asked: Sequence[Question], ask: Callable[[Sequence[Question]], list[float]]) -> list[float]:
    with ThreadPoolExecutor(clients) as pool:
        return [
            each for times in pool.map(ask, [asked[number::clients] for number in range(clients)]) for each in times
        ]


def _get_all(port: int, asked: Sequence[Question]) -> list[float]:
    web = HTTPConnection("127.0.0.1", port, timeout=30)

    def get(question: Question) -> None:
        web.request("GET", question.address, headers={"Host": f"localhost:{port}"})
        answer = web.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:300]!r}")

    try:
        return timed(get, asked)
    finally:
        web.close()


def _execute_all(asked: Sequence[Question]) -> list[float]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
            cursor.execute(BY_HAND)
            return timed(lambda question: question.by_hand(cursor), asked)  # type: ignore[arg-type]
    finally:
        connections.close_all()


@contextmanager
def _web() -> Iterator[int]:
    """The web server as ./run starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    argv = [sys.executable, "-m", "granian", "--interface", "wsgi", "config.wsgi:application", "--port", str(port)]
    argv += ["--workers", "1", "--log-level", "warning", "--blocking-threads", "8"]
    allowed = f"localhost,127.0.0.1,localhost:{port}"
    server = subprocess.Popen(argv, env=os.environ | {"ALLOWED_HOSTS": allowed})
    try:
        _wait(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("The web server does not answer.")
