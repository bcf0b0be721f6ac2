"""Anything that anybody may do, thrown with dice."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.bookings.actions.action import Action
from tests.bookings.actions.asking import Ask, Keep, Order, Take, TakeOver
from tests.bookings.actions.leases import Extend, ExtendItself, HandBack, Move, Shorten
from tests.bookings.actions.line import Join, Leave, Serve
from tests.bookings.actions.staff import CallOff, PlanWork
from tests.bookings.world import POOR


def an_action(random: Random) -> Action:
    """Any, those that make leases most often."""
    (make,) = random.choices([*MAKERS], [*MAKERS.values()])
    return make(random)


def _window(random: Random) -> tuple[int, int]:
    """Hours ahead and hours long: mostly near and short, so that there are many and they meet."""
    return random.choice((random.randint(1, 6), random.randint(1, 30))), random.choice((1, 2, 4, random.randint(1, 30)))


def _wish(random: Random) -> dict[str, Any]:
    who, nodes, fabric = random.randrange(3), random.choice((1, 1, 1, 2, 2, 3, 4)), random.random() < 0.2
    ahead, hours = _window(random)
    if who != POOR and random.random() < 0.2:
        ahead = hours = 0  # on demand
    return {"who": who, "nodes": nodes, "ahead": ahead, "hours": hours, "fabric": fabric}


def _keep(random: Random) -> Action:
    return Keep(random.randrange(3), random.choice((1, 1, 2, 3)), *_window(random))


def _join(random: Random) -> Action:
    ahead, hours = _window(random)
    who, nodes, room = random.randrange(3), random.choice((1, 2, 3, 4)), random.randint(0, 20)
    return Join(who, nodes, ahead, hours, room, tells=random.random() < 0.4, fabric=random.random() < 0.3)


def _work(random: Random) -> Action:
    return PlanWork(random.randrange(4), *_window(random))


def _any(random: Random) -> int:
    return random.randrange(100)


MAKERS: Mapping[Callable[[Random], Action], int] = {
    lambda random: Order(**_wish(random), project=random.choice(("", "lab"))): 8,
    lambda random: Ask(**_wish(random)): 2,
    _keep: 3,
    lambda random: Take(_any(random), random.choice(("", "lab"))): 4,
    lambda random: HandBack(_any(random)): 5,
    lambda random: TakeOver(random.randrange(2), _any(random), random.randint(1, 4)): 3,
    lambda random: Extend(_any(random), _window(random)[1]): 3,
    lambda random: ExtendItself(_any(random), random.randint(0, 12)): 1,
    lambda random: Shorten(_any(random), _window(random)[1]): 2,
    lambda random: Move(_any(random), *_window(random)): 3,
    _join: 2,
    lambda random: Leave(_any(random)): 1,
    lambda random: Serve(_any(random)): 1,
    _work: 1,
    lambda random: CallOff(_any(random)): 1,
}
