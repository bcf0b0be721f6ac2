"""`./run bench booking`: orders through the API beside PostgreSQL alone, one by one and many at once."""

import argparse
import os
import sys

import django
from django.core.management import call_command

from bench.table import Table, chapter

CLIENTS, MANY = 8, 16


def main(arguments: list[str]) -> int:
    """Measure everything; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="./run bench booking", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--sites", type=int, default=45)
    parser.add_argument("--live", type=int, default=10, help="leases of each node now and ahead")
    parser.add_argument("--over", type=int, default=90, help="leases of each node that are over")
    parser.add_argument("--orders", type=int, default=1_200, help="in a round")
    parser.add_argument(
        "--rounds", type=int, default=5, help="of each measurement: of rates the best counts, of ratios the middle"
    )
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1), help="of the web server")
    parser.add_argument("--quick", action="store_true", help="small and fast: whether it works, not how well")
    given = parser.parse_args(arguments)
    if given.quick:
        given.nodes, given.sites, given.over, given.orders, given.rounds = 400, 15, 5, 96, 1
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    return measure(given)


def measure(given: argparse.Namespace) -> int:
    """With the database ready."""
    # Django is set up by now, and these import models.
    from accounts.clock import now  # noqa: PLC0415
    from bench import booking_measuring, booking_world, search_world  # noqa: PLC0415
    from bench.web import web  # noqa: PLC0415

    table = Table(judging=not given.quick)
    table.listen()
    world = search_world.a_catalogue(nodes=given.nodes, sites=given.sites, now=now())
    search_world.leases(world, over=given.over, live=given.live)
    who = booking_world.customers(world)
    leases = given.nodes * (given.live + given.over)
    print(
        f"{given.nodes:,} nodes with {leases:,} leases of {len(who)} customers. Clients, web server ({given.workers} "
        f"processes), PostgreSQL and Valkey share this machine's {os.cpu_count()} cores; {booking_measuring.commits()}."
    )
    with web(workers=given.workers) as server:
        measuring = booking_measuring.Measuring(table, server, world, who, given.orders, given.rounds)
        with chapter("Orders of one node, anywhere"):
            measuring.orders()
        with chapter("Orders for the same ten nodes at overlapping times"):
            measuring.storm()
        with chapter("Orders for four of the same twenty nodes, each given back at once"):
            measuring.four_nodes()
    return table.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
