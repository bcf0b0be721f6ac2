"""What sweeps share: each row by itself, so that a bad one does not stop the rest."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from accounts.models import IllegalMove, Stale

Row = TypeVar("Row")
log = logging.getLogger(__name__)


def for_each(rows: Iterable[Row], act: Callable[[Row], object]) -> None:
    """Act on each row; what fails is logged, and tried again at the next sweep."""
    for row in rows:
        try:
            act(row)
        except (Stale, IllegalMove) as later:
            log.info("the next sweep looks again: %s", later)
        except Exception:
            log.exception("energy could not work on %s", row)
