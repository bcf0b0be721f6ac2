"""The server's time: the computer's, moved by as much as somebody asked for. Test clocks are in test_clocks.py."""

import time

from standins.stripe.store import Store

_OFFSET = "clock_offset_seconds"


class Clock:
    """What time it is for everything that no test clock governs; the move outlives a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.transaction():
            self._offset: int = store.setting(_OFFSET, 0)

    def now(self) -> int:
        """Seconds since 1970."""
        return int(time.time()) + self._offset

    def move(self, to: int | None) -> None:
        """Make it this time now, from where it goes on; None goes back to the computer's."""
        self._offset = 0 if to is None else to - int(time.time())
        self._store.set(_OFFSET, self._offset)
