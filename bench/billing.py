"""`./run bench billing`: closing a month, beside the same work by hand in SQL, for up to a million leases."""

import argparse
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import django
from django.core.management import call_command

from bench.table import Table

# Measured beside the closing where they are there, each with the sizes of a quick look: the wallet with a long history,
# and the calls to the card processor with its messages.
BESIDE: dict[str, dict[str, int]] = {
    "billing_wallet": {"leases": 20, "at_once": 200, "rounds": 5},
    "billing_gateway": {},
}


def main(arguments: list[str]) -> int:
    """Measure everything; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="./run bench billing", description=__doc__)
    parser.add_argument("--leases", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="in a month, each")
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement; the best one counts")
    parser.add_argument("--quick", action="store_true", help="small and fast: whether it works, not how well")
    given = parser.parse_args(arguments)
    if given.quick:
        given.leases, given.rounds = [200, 1_000], 1
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    table = Table(judging=not given.quick)
    table.listen()
    part("billing_closing").measure(table, given)
    for name, small in BESIDE.items():
        if find_spec(f"bench.{name}"):
            part(name).measure(table, **(small if given.quick else {}))
    return table.close()


def part(name: str) -> Any:
    """What measures one part. Imported now that Django is set up, for they import models."""
    return import_module(f"bench.{name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
