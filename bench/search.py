"""`./run bench search`: where nodes are free, among 10,000 at 45 sites with 1,000,000 past and future leases."""

import argparse
import sys

import django
from django.core.management import call_command

from bench.table import Table, chapter


def main(arguments: list[str]) -> int:
    """Measure everything; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="./run bench search", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--sites", type=int, default=45)
    parser.add_argument("--live", type=int, default=10, help="leases of each node now and ahead")
    parser.add_argument("--over", type=int, default=90, help="leases of each node that are over")
    parser.add_argument("--questions", type=int, default=150, help="in a round")
    parser.add_argument(
        "--rounds", type=int, default=5, help="of each measurement: of times the best counts, of ratios the middle"
    )
    parser.add_argument("--quick", action="store_true", help="small and fast: whether it works, not how well")
    given = parser.parse_args(arguments)
    if given.quick:
        given.nodes, given.sites, given.over, given.questions, given.rounds = 200, 15, 5, 20, 2
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    return measure(given)


def measure(given: argparse.Namespace) -> int:
    """With the database ready."""
    # Django is set up by now, and these import models.
    from accounts.clock import now  # noqa: PLC0415
    from bench import search_asking, search_serving, search_world  # noqa: PLC0415

    table = Table(judging=not given.quick)
    table.listen()
    world = search_world.a_catalogue(nodes=given.nodes, sites=given.sites, now=now())
    search_world.leases(world, over=0, live=given.live)
    asked = search_asking.questions(world, given.questions)
    with chapter(f"In this process, {given.nodes:,} nodes with {given.nodes * given.live:,} leases"):
        few = search_asking.in_process(table, asked, rounds=given.rounds)
    search_world.leases(world, over=given.over, live=0)
    with chapter(f"The same with {given.nodes * (given.live + given.over):,} leases, most of them over"):
        many = search_asking.in_process(table, asked, rounds=given.rounds)
        times = (given.live + given.over) / given.live
        table.add(f"time with {times:g} times the leases", many / few, "times", bar=1.3, most=True)
    with chapter("GET /api/v1/offers from the web server, over kept connections"):
        search_serving.over_http(table, asked, rounds=given.rounds)
    return table.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
