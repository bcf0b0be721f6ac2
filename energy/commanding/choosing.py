"""
Which miners sleep and which wake, so that each class draws no more than it may: pure, and the same for the same fleet.

Whole miners are fine enough: one is 0.007 % of 50 MW. The longest unchanged are changed first, so that wear is shared.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One miner as it is counted. `load_watts` is what it draws as far as anybody knows; one that did not do as wanted,
    or that may not be told anything, is `stubborn`: it stays load, and is asked last. One that nobody has looked at
    lately is `unseen`."""

    id: int
    class_id: int
    joules_per_terahash: float
    watts: int
    standby_watts: int
    asleep: bool
    since: datetime
    minimum_on: timedelta = timedelta(0)
    load_watts: int
    stubborn: bool = False
    controlled: bool = True
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One miner, and whether it shall sleep."""

    unit: Unit
    asleep: bool


def load(units: Iterable[Unit]) -> int:
    """What they draw together, watts."""
    return sum(unit.load_watts for unit in units)


def share(units: Iterable[Unit], *, watts: int) -> dict[int, int]:
    """
    So many watts of a whole site by class: the most efficient class is served first.

    No class gets less than what it cannot avoid: its sleepers' standby and whatever does not obey.
    """
    classes = _by_class(units)
    least = {key: sum(_least(unit) for unit in members) for key, members in classes.items()}
    most = {key: sum(max(_least(unit), unit.watts) for unit in members) for key, members in classes.items()}
    left = max(0, watts - sum(least.values()))
    shares: dict[int, int] = {}
    for key in sorted(classes, key=lambda key: (classes[key][0].joules_per_terahash, key)):
        more = min(left, most[key] - least[key])
        shares[key], left = least[key] + more, left - more
    return shares


def made_up(units: Iterable[Unit], *, watts_by_class: Mapping[int, int]) -> dict[int, int]:
    """
    The same watts in all where a class cannot come down to its own, for what does not obey: others draw less instead,
    the least efficient first.
    """
    classes, found = _by_class(units), dict(watts_by_class)
    room = {key: found[key] - sum(map(_least, members)) for key, members in classes.items() if key in found}
    over = -sum(min(0, watts) for watts in room.values())
    for key in sorted(room, key=lambda key: (-classes[key][0].joules_per_terahash, key)):
        less = min(over, max(0, room[key]))
        found[key], over = found[key] - less, over - less
    return found


def choose(
    units: Iterable[Unit], *, watts_by_class: Mapping[int, int], now: datetime, urgent: bool = False
) -> list[Order]:
    """
    The changes after which each named class draws at most its watts, and as much of them as whole miners can.

    Who was woken sleeps no sooner than `minimum_on` later, unless it is `urgent`; then nobody wakes. The least
    efficient sleep first, the most efficient wake first; within a class the longest unchanged.
    """
    orders: list[Order] = []
    for key, members in _by_class(units).items():
        if key in watts_by_class:
            orders += _of_class(members, watts=watts_by_class[key], now=now, urgent=urgent)
    return sorted(orders, key=_rank)


def again(units: Iterable[Unit], *, besides: Iterable[Order]) -> list[Order]:
    """Orders for those that were told to sleep and did not, for all we know, unless something else is asked of them."""
    asked = {order.unit.id for order in besides}
    late = [unit for unit in units if unit.asleep and (unit.stubborn or unit.unseen) and unit.controlled]
    return sorted((Order(unit, asleep=True) for unit in late if unit.id not in asked), key=_rank)


def staggered(orders: Iterable[Order], *, watts_per_second: int | None) -> Iterator[tuple[float, Order]]:
    """Each order with the seconds after which it is sent, so that no more power changes in a second; None: at once."""
    changed = 0
    for order in orders:
        yield (changed / watts_per_second if watts_per_second else 0.0), order
        changed += order.unit.watts - order.unit.standby_watts


def _of_class(members: list[Unit], *, watts: int, now: datetime, urgent: bool) -> list[Order]:
    drawn, orders = load(members), []
    waiting = sorted(
        (unit for unit in members if unit.controlled), key=lambda unit: (unit.stubborn, unit.since, unit.id)
    )
    for unit in waiting:
        if drawn > watts and not unit.asleep and (urgent or unit.since + unit.minimum_on <= now):
            orders.append(Order(unit, asleep=True))
            drawn -= max(0, unit.load_watts - unit.standby_watts)
    if orders or urgent:
        return orders
    # Who does not obey is not woken either, though it would cost nothing: it would have to be told to sleep again next.
    for unit in (unit for unit in waiting if unit.asleep and not unit.stubborn):
        drawn += max(0, unit.watts - unit.load_watts)
        if drawn <= watts:
            orders.append(Order(unit, asleep=False))
    return orders


def _rank(order: Order) -> tuple[bool, float, int, bool, datetime, int]:
    unit = order.unit
    efficiency = -unit.joules_per_terahash if order.asleep else unit.joules_per_terahash
    return (not order.asleep, efficiency, unit.class_id, unit.stubborn, unit.since, unit.id)


def _least(unit: Unit) -> int:
    return unit.load_watts if unit.stubborn or not unit.controlled else unit.standby_watts


def _by_class(units: Iterable[Unit]) -> dict[int, list[Unit]]:
    classes: dict[int, list[Unit]] = defaultdict(list)
    for unit in units:
        classes[unit.class_id].append(unit)
    return classes
