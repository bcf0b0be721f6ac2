"""What each outage took off the charge, so that all of them together are what is missing from it."""

from collections.abc import Iterator
from dataclasses import dataclass

from billing.queries.meters import Reading
from leasing.models import Outage
from marketplace.money import price_of


@dataclass(frozen=True)
class Credit:
    """One outage on the receipt: when it was and why, how much of it the meter would have charged, what that saved."""

    outage: Outage
    node: str
    node_seconds: int
    saved_micros: int

    @property
    def cause(self) -> str:
        """In words."""
        return str(self.outage.get_cause_display())


def credited(reading: Reading) -> Iterator[Credit]:
    """The outages one after another, each with what the charge falls by when it is taken off after those before it."""
    taken, (billed, charge) = set[int](), _billed(reading, set())
    for loss in reading.losses:
        taken.add(loss.outage.pk)
        left, fallen = _billed(reading, taken)
        yield Credit(loss.outage, loss.machine.node.name, billed - left, charge - fallen)
        billed, charge = left, fallen


def _billed(reading: Reading, taken: set[int]) -> tuple[int, int]:
    """Node-seconds and charge when only these outages, by their keys, are taken off."""
    parts = [part.billed([loss for loss in part.losses if loss.outage.pk in taken]) for part in reading.parts]
    return sum(node_seconds for _, node_seconds in parts), price_of(parts)
