"""A management controller in memory, for tests: it keeps the promises of the contract, or breaks them as told."""

from dataclasses import dataclass, field
from typing import Literal

from leasing.power.base import (
    WITHIN,
    BootSource,
    Ours,
    Overtaken,
    PowerError,
    PowerRefused,
    PowerState,
    PowerUnreachable,
)

REFUSED = "wrong"  # every other password is right


@dataclass
class Board:
    """One host's main board. `said` is what its controller was told, in Redfish's words."""

    state: PowerState = "on"
    source: BootSource = "disk"
    said: list[str] = field(default_factory=list)
    deaf_to: frozenset[str] = frozenset()
    broken: PowerError | None = None

    def tell(self, word: str, state: PowerState) -> None:
        """Obeys, unless it is deaf to the word."""
        self.said.append(word)
        if word not in self.deaf_to:
            self.state = state


BOARDS: dict[str, Board] = {}
"""By the controller's address; one that nobody has seen yet is on."""


class FakePower:
    """Serves the shared `BOARDS`."""

    def __init__(self, *, address: str, user: str, password: str, ours: Ours = lambda: True) -> None:
        self.address, self._refused, self._ours = address, password == REFUSED, ours

    def state(self) -> PowerState:
        """What the board has."""
        return self._board().state

    def on(self, *, within: float = WITHIN) -> None:
        """At once."""
        self._reach("on", "On", within)

    def off(self, *, grace: float = 0.0, within: float = WITHIN) -> None:
        """At once, too."""
        board = self._board()
        if grace and board.state == "on":
            self._tell(board, "GracefulShutdown", "off")
        self._reach("off", "ForceOff", within)

    def cycle(self, *, within: float = WITHIN) -> None:
        """Off and on."""
        self.off(within=within)
        self.on(within=within)

    def boot_source(self) -> BootSource:
        """What was set last."""
        return self._board().source

    def boot_from(self, source: Literal["network", "disk"], *, once: bool = True) -> None:
        """Remembers it."""
        self._board().source = source

    def _board(self) -> Board:
        board = BOARDS.setdefault(self.address, Board())
        if board.broken is not None:
            raise board.broken
        if self._refused:
            raise PowerRefused(f"The BMC at {self.address} refuses the login: scripted.")
        return board

    def _tell(self, board: Board, word: str, state: PowerState) -> None:
        if not self._ours():
            raise Overtaken
        board.tell(word, state)

    def _reach(self, wanted: PowerState, word: str, within: float) -> None:
        board = self._board()
        if board.state != wanted:
            self._tell(board, word, wanted)
        if board.state != wanted:
            raise PowerError(
                f"The BMC at {self.address} took {word}, but the host is not {wanted} after {within:.0f} s."
            )


def silent() -> PowerUnreachable:
    """What a controller that is dead or hung makes us say."""
    return PowerUnreachable("The BMC does not answer: scripted.")
