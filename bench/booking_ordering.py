"""Orders through the API, and the database function that they end in called by pgbench with the same arguments."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Exists, OuterRef
from psycopg.types.json import Jsonb

from accounts.clock import now
from bench import pgbench
from bench.booking_world import Order
from bench.web import Web, cpu_seconds
from billing import checkout
from leasing.models import Claim, Lease
from leasing.operations import NodesTaken, Setup
from leasing.operations.booking import ORDER
from marketplace.models import Image
from marketplace.queries import occupied

FUNCTION = r"""
\set number :first + :client_id * :turns + :turn
SELECT made.* FROM bench_order AS given, leasing_order(given.lease, given.keys, given.machines, given.events,
       given.pool, given.wanted, given.wanted, '', given.actor) AS made
 WHERE given.number = cast(:number AS int);
"""
AND_GIVE_BACK = r"""
\set number :first + :client_id * :turns + :turn
SELECT coalesce(made.lease_id, 0) AS made FROM bench_order AS given, leasing_order(given.lease, given.keys,
       given.machines, given.events, given.pool, given.wanted, given.wanted, '', given.actor) AS made
 WHERE given.number = cast(:number AS int) \gset
SELECT leasing_cancel(lease.id, lease.state, lease.version, leasing_lock_claimed(lease.id), '[]', '', 'bench', now())
  FROM leasing_lease AS lease WHERE lease.id = cast(:made AS bigint);
"""
TABLE = """
    CREATE TABLE IF NOT EXISTS bench_order (
        number int PRIMARY KEY, lease jsonb, keys jsonb, machines jsonb, events jsonb, pool bigint, wanted tstzrange,
        actor text)
"""


@dataclass(frozen=True)
class Answers:
    """What came of orders that were placed one after another by each of some clients."""

    statuses: Counter[int]
    seconds: float
    longest_ms: float
    web_ms: float  # of CPU, for each, in the web server
    database_ms: float  # and in PostgreSQL

    @property
    def placed(self) -> float:
        """Leases a second."""
        return self.statuses[201] / self.seconds

    @property
    def answered(self) -> float:
        """Answers a second, refusals too."""
        return self.statuses.total() / self.seconds

    @property
    def broken(self) -> int:
        """Those that no customer should ever see."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


def through_api(web: Web, orders: Sequence[Order], *, clients: int, give_back: bool = False) -> Answers:
    """Place all of them, each client on a connection that it keeps; with `give_back` each lease is returned at once."""
    image = Image.objects.order_by("pk")[0].slug
    began, cpu, database = time.perf_counter(), web.cpu_seconds(), database_seconds()

    def mine(number: int) -> list[tuple[int, float]]:
        return _place_all(web, orders[number::clients], image, give_back=give_back)

    with ThreadPoolExecutor(clients) as pool:
        found = [answer for answers in pool.map(mine, range(clients)) for answer in answers]
    took, each = time.perf_counter() - began, 1000 / len(found)
    return Answers(
        Counter(status for status, _ in found),
        took,
        1000 * max(taken for _, taken in found),
        each * (web.cpu_seconds() - cpu),
        each * (database_seconds() - database),
    )


def _place_all(web: Web, orders: Sequence[Order], image: str, *, give_back: bool) -> list[tuple[int, float]]:
    connection, found = HTTPConnection("127.0.0.1", web.port, timeout=60), []
    post = _poster(connection, web.port)
    for order in orders:
        body = {"quote": order.quote.public_id, "name": "bench", "ssh_keys": [order.customer.key], "image": image}
        began = time.perf_counter()
        status, answer = post(order, "leases", order.quote.public_id, body)
        found.append((status, time.perf_counter() - began))
        if give_back and status == 201:
            post(order, f"leases/{answer['id']}/return", f"return {order.quote.public_id}", {"confirm": True})
    connection.close()
    return found


def _poster(connection: HTTPConnection, port: int) -> Callable[[Order, str, str, dict[str, Any]], tuple[int, Any]]:
    def post(order: Order, path: str, key: str, body: dict[str, Any]) -> tuple[int, Any]:
        headers = {
            "Host": f"localhost:{port}",
            "Authorization": f"Bearer {order.customer.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        connection.request("POST", f"/api/v1/{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or "null")

    return post


def by_pgbench(orders: Sequence[Order], *, clients: int) -> tuple[float, float]:
    """
    Leases a second of the same function, when pgbench calls it with what the API would; and milliseconds of CPU in
    PostgreSQL for each call.
    """
    first, turns = _keep_arguments(orders), len(orders) // clients
    before, cpu = Lease.objects.count(), database_seconds()
    calls = pgbench.rate(FUNCTION, clients=clients, turns=turns, first=first)
    cpu = database_seconds() - cpu
    return calls * (Lease.objects.count() - before) / (clients * turns), 1000 * cpu / (clients * turns)


def given_back_by_pgbench(orders: Sequence[Order], *, clients: int) -> float:
    """Orders a second that the same functions answer, refusals too, each taken lease given back at once."""
    first, turns = _keep_arguments(orders), len(orders) // clients
    return pgbench.rate(AND_GIVE_BACK, clients=clients, turns=turns, first=first)


def database_seconds() -> float:
    """What PostgreSQL has used of the CPU so far, with the sessions that are over."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (session,) = cursor.fetchone()
    return cpu_seconds(int(Path(f"/proc/{session}/stat").read_text().rpartition(")")[2].split()[1]))


def _keep_arguments(orders: Sequence[Order]) -> int:
    """In a table, so that pgbench has them at hand. Returns the first one's number."""
    model = _arguments(orders[0])
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.execute("SELECT count(*) FROM bench_order")
        (first,) = cursor.fetchone()
        rows = [(first + number, *_like(model, order)) for number, order in enumerate(orders)]
        cursor.executemany("INSERT INTO bench_order VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", rows)
        cursor.execute("ANALYZE bench_order")
    return int(first)


def _arguments(order: Order) -> list[Any]:
    """What the product gives the function for an order; the order is undone."""
    seen: list[Any] = []

    def look(execute: Callable[..., object], sql: str, params: Sequence[Any], *rest: object) -> object:
        seen.extend(params if sql == ORDER else [])
        return execute(sql, params, *rest)

    with suppress(NodesTaken), transaction.atomic(), connection.execute_wrapper(look):
        checkout.place(
            organization=order.customer.organization,
            actor=f"token:{order.customer.key}",
            created_by=None,
            quote=order.quote.public_id,
            setup=Setup("bench", list(order.customer.organization.ssh_keys.all()), Image.objects.order_by("pk")[0]),
            now=now(),
        )
        transaction.set_rollback(True)
    return seen


def _like(model: Sequence[Any], order: Order) -> list[Any]:
    """The same arguments for another order."""
    quote, owner, unique = order.quote, order.customer.organization.pk, order.quote.public_id[3:]
    (lease,), keys, machines, events = map(json.loads, model[:4])
    lease |= {"public_id": f"ls_{unique}", "organization_id": owner, "node_count": quote.nodes}
    lease |= {"offer_id": quote.offer_id, "rate_id": quote.rate_id}
    lease |= {"starts_at": str(quote.starts_at), "ends_at": str(quote.ends_at)}
    machines = [row | {"public_id": f"mc_{unique}{number}"} for number, row in enumerate(machines)]
    told = {"organization_id": owner, "subject": lease["public_id"]}
    events = [row | told | {"public_id": f"ev_{unique}{number}"} for number, row in enumerate(events)]
    period = occupied(quote.terms, quote.starts_at, quote.ends_at)
    wanted = DateTimeTZRange(period.starts_at, period.ends_at)
    return [*map(Jsonb, (lease, keys, machines, events)), quote.offer.pool_id, wanted, model[-1]]


def deadlocks() -> int:
    """How many the database has broken so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        (count,) = cursor.fetchone()
    return int(count)


def overlaps() -> int:
    """Pairs of live claims of one node that share an instant, by comparing each with each."""
    live = Claim.objects.filter(released_at=None, node=OuterRef("node"), pk__gt=OuterRef("pk"))
    return Claim.objects.filter(Exists(live.filter(period__overlap=OuterRef("period"))), released_at=None).count()
