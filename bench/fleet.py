"""`./run bench fleet`: telemetry and health of a simulated fleet of 10,000 nodes with 80,000 GPUs at 45 sites."""

import argparse
import sys

import django
from django.core.management import call_command

from bench.table import Table, chapter


def main(arguments: list[str]) -> int:
    """Measure everything; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="./run bench fleet", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--sites", type=int, default=45)
    parser.add_argument(
        "--rounds",
        type=int,
        default=7,
        help="of each measurement; the middle one counts, since others use the machine too",
    )
    parser.add_argument("--sweeps", type=int, default=4, help="over the whole fleet")
    parser.add_argument("--every", type=float, default=15.0, help="seconds from one sweep to the next")
    parser.add_argument("--quick", action="store_true", help="small and fast: whether it works, not how well")
    given = parser.parse_args(arguments)
    if given.quick:
        given.nodes, given.sites, given.rounds, given.sweeps, given.every = 60, 3, 2, 2, 1.0
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    return measure(given)


def measure(given: argparse.Namespace) -> int:
    """With the database ready."""
    # Django is set up by now, and these import models.
    from bench import fleet_storing, fleet_sweeping, fleet_world  # noqa: PLC0415

    table = Table(judging=not given.quick)
    table.listen()
    fleet = fleet_world.a_fleet(nodes=given.nodes, sites=given.sites)
    nodes = fleet_world.everybody(fleet)
    with chapter(f"Writing, on one connection ({given.nodes:,} nodes, {given.sites} sites)"):
        fleet_storing.writing(table, nodes, given.sites, rounds=given.rounds)
    with chapter("Keeping"):
        fleet_storing.keeping(table, nodes[: max(20, given.nodes // 50)], given.nodes)
    with chapter("The database's part of a sweep"):
        fleet_sweeping.looking(table, fleet, rounds=given.rounds)
    with chapter(f"Whole sweeps every {given.every:g} s, the fleet simulated in this process"):
        fleet_sweeping.in_process(table, fleet, every=given.every, rounds=given.sweeps)
    with chapter(f"Whole sweeps every {given.every:g} s, over SSH from a node host in a process of its own"):
        fleet_sweeping.over_ssh(table, fleet, every=given.every, rounds=given.sweeps)
    return table.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
