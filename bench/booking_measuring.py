"""The three measurements of orders, each figure beside its bar."""

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from django.core.cache import cache
from django.db import connection

from bench import booking_world
from bench.booking import CLIENTS, MANY
from bench.booking_ordering import (
    Answers,
    by_pgbench,
    deadlocks,
    given_back_by_pgbench,
    overlaps,
    through_api,
)
from bench.booking_storms import four_by_hand
from bench.booking_world import Customer, Order
from bench.search_world import World
from bench.table import Table
from bench.web import Web
from marketplace.models import Offer


def commits() -> str:
    """How this database makes sure of a commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('synchronous_commit'), current_setting('fsync')")
        synchronous, fsync = cursor.fetchone()
    return f"synchronous_commit is {synchronous}, fsync is {fsync}"


@dataclass(frozen=True)
class Measuring:
    """With the world, who orders in it, and how often."""

    table: Table
    web: Web
    world: World
    who: list[Customer]
    count: int
    rounds: int

    def orders(self) -> None:
        """Beside pgbench before and behind them, which calls the function that they end in."""
        offers = booking_world.anywhere()
        self._place(booking_world.orders(self.world, self.who, offers, CLIENTS * 8), clients=CLIENTS)  # to warm up
        placed, called = [], [by_pgbench(self._some(offers, free=True), clients=CLIENTS)]
        for _ in range(self.rounds):
            placed.append(self._place(self._some(offers, free=True), clients=CLIENTS))
            called.append(by_pgbench(self._some(offers, free=True), clients=CLIENTS))
        rates, alone = [answers.placed for answers in placed], [rate for rate, _ in called]
        refused = sum(answers.statuses.total() - answers.statuses[201] for answers in placed)
        self.table.add("pgbench, the same function", max(alone), "a second", middle=median(alone))
        self.table.add(
            f"POST leases, {CLIENTS} clients", max(rates), "a second", middle=median(rates), note=f"{refused} refused"
        )
        self.table.add("CPU for one in the web server", min(answers.web_ms for answers in placed), "ms")
        self.table.add("CPU for one in the database", min(answers.database_ms for answers in placed), "ms")
        self.table.add("CPU for a call by pgbench in the database", min(cpu for _, cpu in called), "ms")
        around = [(before + behind) / 2 for before, behind in pairwise(alone)]  # a busy neighbour slows both
        ratios = [100 * one / other for one, other in zip(rates, around, strict=True)]
        self.table.middle("orders by pgbench's", ratios, "%", bar=20)

    def storm(self) -> None:
        """Everybody wants the same ten nodes, once each thread of the server has its connection and its statements."""
        offers, before = booking_world.anywhere(), deadlocks()
        self._place(booking_world.orders(self.world, self.who, offers, MANY * 8), clients=MANY)  # to warm up
        calm, wild = [], []
        for _ in range(self.rounds):
            calm.append(self._place(self._some(offers, free=True), clients=MANY))
            wanted = [booking_world.a_pool(self.world, nodes=10)]
            wild.append(self._place(self._some(wanted, within_hours=48), clients=MANY))
        rates = [answers.answered for answers in wild]
        won = sum(answers.statuses[201] for answers in wild)
        self.table.add(f"orders for any nodes, {MANY} clients", max(a.placed for a in calm), "a second")
        self.table.add("the longest answer to those", min(a.longest_ms for a in calm), "ms")
        note = f"{won} got theirs, {sum(a.statuses[409] for a in wild)} were told that they are taken"
        self.table.add("orders for the same ten nodes", max(rates), "a second", middle=median(rates), note=note)
        ratios = [100 * one / other.placed for one, other in zip(rates, calm, strict=True)]
        self.table.middle("by those for any nodes", ratios, "%", bar=50)
        longest = [answers.longest_ms for answers in wild]
        self.table.middle("the longest answer", longest, "ms", bar=200, most=True)
        self._unharmed(wild, before)

    def four_nodes(self) -> None:
        """Four of twenty nodes at a time, beside a statement by hand that locks them in the order of their ids."""
        control = booking_world.a_pool(self.world, nodes=20)
        _, unsorted = four_by_hand(control, clients=CLIENTS, turns=CLIENTS, in_order=False)
        by_hand, called, ordered, before = [], [], [], deadlocks()
        for _ in range(self.rounds):
            offer = booking_world.a_pool(self.world, nodes=20)
            rate, _ = four_by_hand(offer, clients=CLIENTS, turns=self.count // CLIENTS, in_order=True)
            by_hand.append(rate)
            wishes = self._some([offer], nodes=4, within_hours=48)
            called.append(given_back_by_pgbench(wishes, clients=CLIENTS))
            ordered.append(self._place(wishes, clients=CLIENTS, give_back=True))
        rates = [answers.answered for answers in ordered]
        self.table.add("by hand, locked in the order of ids", max(by_hand), "a second", middle=median(by_hand))
        self.table.add("by hand, locked up or down: deadlocks of so few", unsorted, "")
        self.table.add("pgbench, the functions that do it", max(called), "a second", middle=median(called))
        self.table.add(f"POST leases for four, {CLIENTS} clients", max(rates), "a second", middle=median(rates))
        ratios = [100 * one / other for one, other in zip(rates, called, strict=True)]
        self.table.middle("orders by those functions", ratios, "%")
        ratios = [100 * one / other for one, other in zip(rates, by_hand, strict=True)]
        self.table.middle("orders by those by hand", ratios, "%", bar=15)
        self._unharmed(ordered, before)

    def _unharmed(self, answers: list[Answers], deadlocks_before: int) -> None:
        self.table.add("deadlocks", deadlocks() - deadlocks_before, "", bar=0, most=True)
        self.table.add("nodes that were given to two at once", overlaps(), "", bar=0, most=True)
        self.table.add("answers in 5xx", sum(one.broken for one in answers), "", bar=0, most=True)

    def _some(self, offers: list[Offer], **wish: Any) -> list[Order]:
        return booking_world.orders(self.world, self.who, offers, self.count, **wish)

    def _place(self, orders: list[Order], *, clients: int, give_back: bool = False) -> Answers:
        cache.clear()  # the callers' rate limits
        return through_api(self.web, orders, clients=clients, give_back=give_back)
