"""The API's answers to the same questions from a web server, beside what the database alone needs for them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from statistics import median
from typing import Any

from django.core.cache import cache
from django.db import connection, connections

from accounts.clock import now
from accounts.http.pagination import NewestFirst
from accounts.prepared import ask
from bench.search_asking import BY_HAND, Asked, Question, p95, timed
from bench.table import Table
from bench.web import web
from marketplace.queries import find
from marketplace.serializers import listing

CLIENTS = 8


def over_http(table: Table, asked: Sequence[Question], *, rounds: int) -> None:
    """
    The API's p95 beside that of its own statements, asked of the database alone, with one client and with eight; and
    beside that of the statement by hand, which answers less: not when nodes are free later where they are not now.
    """
    recorded = [_statements(question) for question in asked]
    with web() as server:
        for clients in (1, CLIENTS):
            api, alone, by_hand = [], [], []
            for _ in range(rounds):
                cache.clear()  # the callers' rate limits
                api.append(p95(_together(clients, asked, lambda mine: _get_all(server.port, mine))))
                alone.append(p95(_together(clients, recorded, _ask_all)))
                by_hand.append(p95(_together(clients, asked, _execute_all)))
            words = f"{clients} client{'s' if clients > 1 else ''}"
            table.add(f"GET offers, p95, {words}", min(api), "ms", middle=median(api))
            table.add(
                f"its statements alone, later starts and all, p95, {words}", min(alone), "ms", middle=median(alone)
            )
            table.add(f"the statement by hand, p95, {words}", min(by_hand), "ms", middle=median(by_hand))
            ratios = [one / other for one, other in zip(api, alone, strict=True)]
            table.middle(f"GET offers by its statements, {words}", ratios, "times", bar=2, most=True)
            least = [one / other for one, other in zip(api, by_hand, strict=True)]
            table.middle(f"GET offers by the statement by hand, {words}", least, "times")


Statement = tuple[str, dict[str, Any]]


def _statements(question: Question) -> list[Statement]:
    """What the API's answer to a question asks of the database, but the clock and which words there are."""
    found: list[Statement] = []

    def noting(execute: Callable[..., object], sql: str, values: Any, *rest: object) -> object:
        found.append((sql, values))
        return execute(sql, values, *rest)

    with connection.execute_wrapper(noting):
        hits = find(criteria=question.criteria, now=now())
        listing(hits=hits[: NewestFirst.page_size], criteria=question.criteria, now=now())
    return [(sql, values) for sql, values in found if values]


def _ask_all(recorded: Sequence[list[Statement]]) -> list[float]:
    def asked(statements: list[Statement]) -> None:
        for sql, values in statements:
            ask(sql, values)

    try:
        timed(asked, recorded[:5])  # until all is prepared
        return timed(asked, recorded)
    finally:
        connections.close_all()


def _together(clients: int, asked: Sequence[Asked], ask: Callable[[Sequence[Asked]], list[float]]) -> list[float]:
    with ThreadPoolExecutor(clients) as pool:
        return [
            each for times in pool.map(ask, [asked[number::clients] for number in range(clients)]) for each in times
        ]


def _get_all(port: int, asked: Sequence[Question]) -> list[float]:
    kept = HTTPConnection("127.0.0.1", port, timeout=30)

    def get(question: Question) -> None:
        kept.request("GET", question.address, headers={"Host": f"localhost:{port}"})
        answer = kept.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:300]!r}")

    try:
        return timed(get, asked)
    finally:
        kept.close()


def _execute_all(asked: Sequence[Question]) -> list[float]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(BY_HAND)
            return timed(lambda question: question.by_hand(cursor), asked)  # type: ignore[arg-type]
    finally:
        connections.close_all()
