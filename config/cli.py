"""The commands of ./run."""

import argparse
import base64
import hmac
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from config import environment, parts, ports
from config.environment import Services
from config.output import Output
from config.part import Trouble, stop, wait_ready
from config.supervisor import Supervisor

HELP = """\
./run [--port N]          start everything; Ctrl-C stops it
./run manage COMMAND …    manage.py with the same database (migrate, shell, createsuperuser, …)
./run trial               lease a node end to end through the API of the running system, as a customer would
./run trial --provisioner podman
                          the same on a real host that is built on this machine for it (as root)
./run code                the staff login's authenticator code of the moment
./run bench booking       how many orders a second the API takes, beside PostgreSQL alone
./run bench energy        what plans of power earn beside rules and perfect foresight, and whether they keep promises;
                          --prices FILE on other prices
./run bench fleet         how fast telemetry and health of 10,000 nodes are kept, each figure beside its bar,
                          with databases of its own; --quick only tries whether it works
./run bench billing       how long closing a month takes, beside the same work by hand in SQL
./run bench search        the same of finding free nodes, among 10,000 with a million leases
./run bench billing_gateway
                          the card processor's messages over HTTP, and its calls at the processor's limits
./run bench billing_wallet
                          what a wallet and a check of caps cost an organization with a long history
./run bench billing_year  a year of 1,000 organizations: ledger, invoices and card processor agree to the cent
./run help                this text

With DATABASE_URL, REDIS_URL or STRIPE_API_KEY set, the embedded PostgreSQL, Valkey or Stripe stand-in is not started.
State is kept in var/ (STATE_DIR): stop and remove it to start afresh. ./test runs every test."""


NEEDED_BYTES = 500_000_000
MEASUREMENTS = ("billing", "billing_gateway", "billing_wallet", "billing_year", "booking", "energy", "fleet", "search")


def main(arguments: list[str]) -> int:
    """Run one command; its exit status."""
    match arguments:
        case ["help" | "--help" | "-h", *_]:
            print(HELP)
            return 0
        case ["manage", *rest]:
            return manage(rest)
        case ["trial", *rest]:
            return with_running([sys.executable, "-m", "config.trial", *rest])
        case ["code"]:
            print(code())
            return 0
        case ["bench", *rest]:
            return bench(rest)
        case [] | ["--port", *_]:
            return start(arguments)
    print(f"There is no command {arguments[0]!r}.\n\n{HELP}", file=sys.stderr)
    return 2


def start(arguments: list[str]) -> int:
    """The whole system, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="./run")
    parser.add_argument("--port", type=int, default=8000)
    port = ports.claim(parser.parse_args(arguments).port)
    held = environment.lock()
    if held is None:
        raise Trouble("Gridlease is running from this directory already: stop it first, or use ./run manage beside it.")
    free = shutil.disk_usage(environment.state_dir()).free
    if free < NEEDED_BYTES:
        raise Trouble(f"The disk of {environment.state_dir()} has {free // 10**6} MB free; make it 500 MB at least.")
    began = time.monotonic()
    services = environment.everything(port=port)
    every = [*services.parts, *parts.application(services.env, port=port, below=services.parts)]
    output = Output(environment.state_dir() / "log", [part.name for part in every])

    def ready() -> None:
        environment.publish(services.env)
        output.say(f"Ready after {time.monotonic() - began:.1f} s.")
        print(welcome(services.env["BASE_URL"]), flush=True)

    Supervisor(every, output, when_ready=ready, when_stopping=environment.withdraw).run()
    return 0


def manage(arguments: list[str]) -> int:
    """manage.py, in the running system's environment or with databases started for it alone."""
    command = [sys.executable, "manage.py", *arguments]
    while (held := environment.lock()) is None:
        env = environment.published()
        if env is not None:
            return subprocess.call(command, env=env)
        time.sleep(0.2)  # another command holds the databases, or ./run is about to be ready
    services = environment.databases(port=8000)
    services.env["AS_OWNER"] = "1"  # nobody is served, and the tables may not be there yet
    try:
        return _with_services(services, command)
    finally:
        held.close()


def with_running(command: list[str]) -> int:
    """A command that needs the whole system up."""
    held = environment.lock()
    env = environment.published()
    if held is not None or env is None:
        raise Trouble("Gridlease is not running: start it with ./run in another terminal, and wait until it is ready.")
    return subprocess.call(command, env=env)


def bench(arguments: list[str]) -> int:
    """bench/NAME.py with databases that are started for it and removed afterwards; never with anybody's data."""
    if not arguments or arguments[0] not in MEASUREMENTS:
        raise Trouble(f"Say which measurement: {', '.join(MEASUREMENTS)}.")
    with tempfile.TemporaryDirectory(prefix="gridlease-bench-") as state:
        os.environ["STATE_DIR"] = state
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        command = [sys.executable, "-m", f"bench.{arguments[0]}", *arguments[1:]]
        services = environment.databases(port=8000)
        services.env["AS_OWNER"] = "1"  # it makes the tables
        return _with_services(services, command)


def code() -> str:
    """What an authenticator with the demonstration's secret would show (RFC 6238, six digits, 30 s)."""
    key = base64.b32decode(demo()["admin"]["totp_secret"])
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 1_000_000:06}"


def demo() -> dict[str, Any]:
    """What demo.json says. Raises Trouble when there is none."""
    try:
        found: dict[str, Any] = json.loads((environment.state_dir() / "demo.json").read_text())
    except FileNotFoundError:
        raise Trouble("There is no var/demo.json: start the embedded system with ./run first.") from None
    return found


def welcome(base_url: str) -> str:
    """What a newcomer needs to know, framed."""
    if os.environ.get("DATABASE_URL"):
        return f"\n  Gridlease is at {base_url}\n"
    lines = [
        "",
        f"  Gridlease is at   {base_url}",
        *(f"  {title:<18}{value}" for title, value in _logins(demo())),
        "",
        "  Lease a node the way a customer's script would:   ./run trial",
        "  All of this is in var/demo.json. Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _logins(demo: dict[str, Any]) -> list[tuple[str, object]]:
    customer, admin = demo["customer"], demo["admin"]
    return [
        ("customer", f"{customer['email']}  password {customer['password']}"),
        ("staff", f"{admin['email']}  password {admin['password']}"),
        ("", f"at {demo['base_url']}/admin/ with the authenticator secret {admin['totp_secret']}"),
        ("", "(./run code prints the code of the moment)"),
        ("mailbox", f"{demo['base_url']}/mailbox/ (the mails it would send)"),
        ("API token", demo["api_token"]),
        ("SSH key", demo["ssh_private_key"]),
    ]


def _with_services(services: Services, command: list[str]) -> int:
    """Run the command between the start and the stop of the services."""
    running = []
    with Path(os.devnull).open("wb") as nowhere:
        try:
            for part in services.parts:
                running.append((part, part.spawn(nowhere.fileno())))
                wait_ready(*running[-1])
            return subprocess.call(command, env=services.env)
        except KeyboardInterrupt:
            return 130
        finally:
            for part, process in reversed(running):
                stop(part, process)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(f"{trouble}")
