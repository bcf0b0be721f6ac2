"""The card processor's messages over HTTP, and the outbox against its limits: all at once, and fair to everybody."""

import argparse
import hashlib
import hmac
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from http.client import HTTPConnection
from urllib.request import Request, urlopen

import django
from django.core.management import call_command
from django.db import connection

from bench.table import Table, chapter, seconds

KEY, SECRET = "sk_test_bench", "whsec_bench"
CLIENTS, WORKERS = 8, 8
EVENTS_A_SECOND, CALLS_A_SECOND, LIMIT = 200, 20, 25
FEW_WAIT_SECONDS, DUE_MS = 5, 250


def measure(table: Table, given: argparse.Namespace) -> None:
    """Messages, the outbox with many customers, with one that has very many, and how its line is read."""
    logging.getLogger("stripe").setLevel(logging.WARNING)  # each call would be a line
    with chapter("The inbox: signed messages over kept connections, each checked, stored and answered"):
        _inbox(table, events=200 if given.quick else 4000)
    with _standin() as url:
        with chapter(f"The outbox, against the stand-in with Stripe's limit of {LIMIT} a second for each endpoint"):
            _drain(table, url, customers=20 if given.quick else 240)
            _fair(table, url, many=50 if given.quick else 1000)
    with chapter("Whose turn it is in the outbox"):
        _line(table, calls=1000 if given.quick else 100_000)


def _inbox(table: Table, *, events: int) -> None:
    bodies = [_event(number) for number in range(events)]
    with _web() as port:
        _post(port, [_event(-1)])
        with ThreadPoolExecutor(CLIENTS) as pool:
            took = seconds(lambda: list(pool.map(lambda n: _post(port, bodies[n::CLIENTS]), range(CLIENTS))))
    from billing.models import GatewayEvent  # noqa: PLC0415 - Django is set up by now

    if GatewayEvent.objects.count() != events + 1:
        raise RuntimeError("Not every message was kept once.")
    table.add("messages kept", events / took, "a second", bar=EVENTS_A_SECOND, note=f"{CLIENTS} clients, one process")


def _event(number: int) -> bytes:
    item = {"object": "checkout.session", "id": f"cs_{number}", "metadata": {"payment_id": f"pm_{number}"}}
    item |= {"filling": "x" * 2500}  # a real one is about as long
    event = {"id": f"evt_{number}", "object": "event", "livemode": False, "created": 1, "data": {"object": item}}
    return json.dumps(event).encode()


def _post(port: int, bodies: Sequence[bytes]) -> None:
    web = HTTPConnection("127.0.0.1", port, timeout=30)
    for body in bodies:
        at = int(time.time())
        digest = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={at},v1={digest}", "Host": f"localhost:{port}"}
        web.request("POST", "/stripe/webhook/", body, headers)
        answer = web.getresponse()
        if (said := answer.read()) != b"Kept.":
            raise RuntimeError(f"{answer.status}: {said[:300]!r}")
    web.close()


def _drain(table: Table, url: str, *, customers: int) -> None:
    """Each customer has one call: nothing but the processor's limit holds them up."""
    from billing import sending  # noqa: PLC0415

    _calls({f"Drain {number}": 1 for number in range(customers)})
    failures: dict[str, Exception] = {}
    took = seconds(lambda: failures.update(_send(url)))
    left = len(sending.due(now=_now()))
    table.add("calls made", (customers - left) / took, "a second", bar=CALLS_A_SECOND, note=f"{WORKERS} workers")
    table.add("calls turned away for being too fast", len(failures), "", bar=0, most=True)
    while left:
        _send(url)
        left = len(sending.due(now=_now()))


def _fair(table: Table, url: str, *, many: int) -> None:
    """One customer has very many calls, written first; fifty have one."""
    from billing.models import CallState, GatewayCall  # noqa: PLC0415

    _calls({"Many": many})
    few = _calls({f"Few {number}": 1 for number in range(50)})
    waited: list[float] = []
    began = time.monotonic()

    def watch() -> None:
        while GatewayCall.objects.filter(pk__in=few).exclude(state=CallState.DONE).exists():
            time.sleep(0.05)
        waited.append(time.monotonic() - began)
        connection.close()

    watching = threading.Thread(target=watch)
    watching.start()
    while watching.is_alive():  # a sweep ends early where the processor is silent
        _send(url)
    watching.join()
    table.add(
        f"50 customers' one call each, behind {many:,} of another", waited[0], "s", bar=FEW_WAIT_SECONDS, most=True
    )
    GatewayCall.objects.exclude(state=CallState.DONE).delete()


def _line(table: Table, *, calls: int) -> None:
    """Half of the calls are one customer's."""
    from billing import sending  # noqa: PLC0415

    _calls({"Half": calls // 2} | {f"Other {number}": 10 for number in range(calls // 20)})
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE billing_gatewaycall")
    best = min(seconds(lambda: sending.due(now=_now())) for _ in range(5))
    table.add(f"everybody's first call, among {calls:,} that wait", 1000 * best, "ms", bar=DUE_MS, most=True)


def _calls(wanted: dict[str, int]) -> list[int]:
    """So many calls for each organization, which is made; their keys."""
    from accounts.models import Organization  # noqa: PLC0415
    from billing.models import CallKind, GatewayCall  # noqa: PLC0415

    moment = _now()
    owners = Organization.objects.bulk_create(Organization(name=name) for name in wanted)
    rows = [
        GatewayCall(
            organization=owner,
            kind=CallKind.CUSTOMER,
            subject=f"{owner.public_id}:{number}",
            path="/v1/customers",
            body={"name": owner.name},
            created_at=moment,
            next_attempt_at=moment,
        )
        for owner in owners
        for number in range(wanted[owner.name])
    ]
    return [row.pk for row in GatewayCall.objects.bulk_create(rows, batch_size=5000)]


def _send(url: str) -> dict[str, Exception]:
    from billing import sending  # noqa: PLC0415
    from billing.payments.stripe import StripeGateway  # noqa: PLC0415

    gateway = StripeGateway(api_key=KEY, webhook_secret=SECRET, api_base=url)
    return dict(sending.send_due(gateway=gateway, now=_now(), workers=WORKERS))


def _now() -> datetime:
    from accounts.clock import now  # noqa: PLC0415

    return now()


@contextmanager
def _standin() -> Iterator[str]:
    """The stand-in for Stripe, with its limit on."""
    with tempfile.TemporaryDirectory() as state:
        argv = [sys.executable, "-m", "standins.stripe", "--port", "0", "--state", state]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout
        try:
            url = process.stdout.readline().rsplit(" ", 1)[1].strip()
            limit = json.dumps({"per_second": LIMIT}).encode()
            urlopen(Request(f"{url}/_standin/rate_limit", data=limit)).close()
            yield url
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _web() -> Iterator[int]:
    """The web server as ./run starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    argv = [sys.executable, "-m", "granian", "--interface", "wsgi", "config.wsgi:application", "--port", str(port)]
    argv += ["--workers", "1", "--log-level", "warning", "--blocking-threads", "8"]
    env = {"ALLOWED_HOSTS": f"localhost:{port},localhost", "STRIPE_API_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
    server = subprocess.Popen(argv, env=os.environ | env)
    try:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


def main(arguments: list[str]) -> int:
    """Measure this part alone; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and fast: whether it works, not how well")
    given = parser.parse_args(arguments)
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    table = Table(judging=not given.quick)
    table.listen()
    measure(table, given)
    return table.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
