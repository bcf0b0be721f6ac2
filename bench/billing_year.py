"""
`./run bench billing_year`: a year of a thousand organizations, from a 1 January on, by a clock that is given: plans,
outages, extensions, hand-backs, credits, disputes, refunds and faults at the card processor, across clock changes and
the ends of months. At the end of each month ledger, invoices and the processor's stand-in agree to the cent.
"""

import argparse
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import django
from django.conf import settings
from django.core.management import call_command

from bench.table import Table, chapter

BEGIN = datetime(2027, 1, 1, tzinfo=UTC)


def main(arguments: list[str]) -> int:
    """Live a year; 1 when books differ."""
    parser = argparse.ArgumentParser(prog="./run bench billing_year", description=__doc__)
    parser.add_argument("--organizations", type=int, default=1_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--active", type=float, default=0.03, help="of them act at each of a month's six moments")
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--quick", action="store_true", help="20 organizations and 3 months")
    given = parser.parse_args(arguments)
    if given.quick:
        given.organizations, given.months, given.active = 20, 3, 0.12
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    return measure(given)


def measure(given: argparse.Namespace) -> int:
    """With the database ready."""
    # Django is set up by now, and these import models.
    from bench.billing_standin import KEY, Standin  # noqa: PLC0415
    from bench.billing_year_world import World  # noqa: PLC0415

    for name in ("stripe", "standins"):
        logging.getLogger(name).setLevel(logging.WARNING)  # each call would be a line
    table, standin = Table(), Standin()
    settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = KEY, standin.url
    world = World(standin, organizations=given.organizations, active=given.active, begin=BEGIN, seed=given.seed)
    for _ in range(given.months):
        began = time.monotonic()
        with chapter(f"{world.now:%B %Y}, {given.organizations:,} organizations"):
            world.live_month()
            _judge(table, world.differences(), f"lived in {time.monotonic() - began:.0f} s")
    with chapter(f"All {given.months} months"):
        broken = world.broken()
        table.add("rules of the product that are broken", len(broken), "", bar=0, most=True, note="; ".join(broken))
        for what, number in world.lived().items():
            table.add(what, number, "")
    standin.close()
    return table.close()


def _judge(table: Table, found: Mapping[str, int], note: str) -> None:
    for what, number in found.items():
        table.add(what, number, "cents" if "apart" in what else "", bar=0, most=True, note=note)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
