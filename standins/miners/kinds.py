"""The models that are played. Power and hash rate are their makers' figures; times are of the order of real ones."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One model with one firmware. Seconds: `falls` from full power to standby, `boots` before it draws more again,
    `rises` from then to full power, `stays_on` after waking, in which it refuses to sleep."""

    name: str
    dialect: Literal["luxos", "bosminer", "whatsminer"]
    watts: int
    terahashes: float
    standby: int = 60
    falls: float = 4.0
    boots: float = 30.0
    rises: float = 180.0
    stays_on: float = 0.0


KINDS = {
    "s21": Kind(name="Antminer S21", dialect="luxos", watts=3500, terahashes=200.0),
    "s19jpro": Kind(name="Antminer S19j Pro", dialect="luxos", watts=3068, terahashes=104.0, stays_on=60.0),
    "s19": Kind(name="Antminer S19", dialect="bosminer", watts=3250, terahashes=95.0, falls=2.0, rises=300.0),
    "m50s": Kind(name="WhatsMiner M50S", dialect="whatsminer", watts=3306, terahashes=126.0),
}
