"""
`./run bench energy`: what plans of power earn beside rules and perfect foresight, how long they take, and whether they
keep promises. On real prices (`--prices FILE` for others of the same columns), a made-up fleet, and weeks gone wrong.
Then how fast a site's miners are told, and a grid event is met by them.
"""

import argparse
import sys
from pathlib import Path

from bench import energy_event, energy_gaps, energy_miners, energy_prices
from bench.table import Table, chapter

SEEDS, SITES, HOURS, WEEKS = 5, 45, 168, 10_000
QUICK_DAYS, QUICK_SEEDS, QUICK_SITES, QUICK_HOURS, QUICK_WEEKS = 3, 1, 10, 48, 50


def main(arguments: list[str]) -> int:
    """Measure everything; 1 when a bar is missed, 2 when the prices cannot be read."""
    parser = argparse.ArgumentParser(prog="./run bench energy", description=__doc__)
    parser.add_argument("--prices", type=Path, default=energy_prices.OWN, help="a CSV, gzipped or not")
    parser.add_argument("--days", type=int, default=0, help="the first so many days of it only")
    parser.add_argument("--quick", action="store_true", help="small and fast: whether it works, not how well")
    parser.add_argument(
        "--plans-only", action="store_true", help="without the miners, who need a minute and a database"
    )
    given = parser.parse_args(arguments)
    try:
        prices = energy_prices.read(given.prices)
    except (OSError, ValueError) as unreadable:
        print(unreadable, file=sys.stderr)
        return 2
    days = given.days or (QUICK_DAYS if given.quick else 0)
    prices = prices.first(days * prices.steps_a_day) if days else prices
    table = Table(judging=not given.quick)
    table.listen()
    gaps = f"{prices.missing} of them filled" if prices.missing else "none missing"
    with chapter(f"50 MW on {prices.name}: {prices.steps:,} steps of {60 * prices.step_hours:g} min, {gaps}"):
        energy_gaps.real_prices(table, prices)
    seeds, sites, hours, weeks = (
        (QUICK_SEEDS, QUICK_SITES, QUICK_HOURS, QUICK_WEEKS) if given.quick else (SEEDS, SITES, HOURS, WEEKS)
    )
    with chapter(f"{sites} sites for {hours} hours, demand charge included"):
        energy_gaps.made_up_fleets(table, seeds=seeds, sites=sites, hours=hours)
    with chapter(f"Planning {sites} sites for {hours} hours, the surplus of regions coupled, one thread"):
        energy_gaps.speed(table, sites=sites, hours=hours)
    with chapter(f"{weeks:,} random weeks in which grids lose 60 % without warning"):
        energy_gaps.promises(table, weeks=weeks)
    if not given.plans_only:
        fleet = energy_miners.prepare(quick=given.quick)
        energy_miners.measure(table, fleet)
        energy_event.measure(table, fleet)
    return table.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
