"""
`./run bench billing`: closing a month, beside the same work by hand in SQL, for up to a million leases; a wallet with a
long history; and the card processor's messages and calls.
"""

import argparse
import sys
from importlib import import_module

import django
from django.core.management import call_command

from bench.table import Table

# The close; a wallet with a long history; the calls to the card processor and its messages. They are imported once
# Django is set up, for they import models.
PARTS = ("billing_closing", "billing_wallet", "billing_gateway")


def main(arguments: list[str]) -> int:
    """Measure everything; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="./run bench billing", description=__doc__)
    parser.add_argument("--leases", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="in a month, each")
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement; the middle one counts")
    parser.add_argument("--quick", action="store_true", help="small and fast: whether it works, not how well")
    given = parser.parse_args(arguments)
    if given.quick:
        given.leases, given.rounds = [200, 1_000], 1
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    table = Table(judging=not given.quick)
    table.listen()
    for name in PARTS:
        import_module(f"bench.{name}").measure(table, given)
    return table.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
