"""Faults on demand, for tests: each applies to the next `times` requests to a path, or to the next webhooks."""

import threading
from dataclasses import dataclass

from standins.stripe.errors import ApiError
from standins.stripe.store import JSON

API_MODES = {
    "429": "refused by the rate limiter, in front of everything",
    "lock_timeout": "refused because the object is in use; nothing is kept",
    "503": "refused before it is executed; nothing is kept",
    "500": "fails without effect, and its idempotency key replays the failure",
    "close": "the connection closes before anything is done",
    "hang": "accepted, and not answered: nothing is done, and the connection closes after `seconds`",
    "delay": "executed after `seconds`",
    "apply_then_500": "executed, then answered and replayed as a failure",
    "apply_then_close": "executed, then the connection closes without an answer",
    "never_emit": "executed, but the events that tell of it are never made",
}
WEBHOOK_MODES = {
    "duplicate": "sent twice",
    "delay": "sent after `seconds`",
    "reorder": "sent after the next event",
    "drop": "never sent",
    "forge": "preceded by an altered copy signed with another secret",
}
WEBHOOK = "webhook"


@dataclass
class Fault:
    """`path` is that of the API or of a page, with all below it ("" is every one), or "webhook"; `method` is the
    request's, POST unless told; `type` is the one of the event, for webhooks (any, unless told)."""

    path: str
    mode: str
    times: int = 1
    seconds: float = 1.0
    method: str = "POST"
    type: str = ""

    def __post_init__(self) -> None:
        modes = WEBHOOK_MODES if self.path == WEBHOOK else API_MODES
        if self.mode not in modes:
            raise ApiError(400, f"mode must be one of {', '.join(modes)} for path {self.path}.", param="mode")


class Faults:
    """The faults still to happen, in the order they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, wanted: JSON) -> None:
        """Raises ApiError 400 for a wrong member."""
        try:
            fault = Fault(**wanted)
        except TypeError as wrong:
            raise ApiError(400, f"A fault has path, mode, times, seconds, method and type: {wrong}") from wrong
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """From now on everything works."""
        with self._lock:
            self._faults.clear()

    def listing(self) -> list[JSON]:
        """What is still to happen."""
        with self._lock:
            return [vars(fault) for fault in self._faults]

    def take(self, method: str, path: str, type: str = "") -> Fault | None:
        """The fault for this request or event, used up by one."""
        with self._lock:
            for fault in self._faults:
                if _hits(fault, method, path, type):
                    fault.times -= 1
                    self._faults = [left for left in self._faults if left.times > 0]
                    return fault
        return None


def _hits(fault: Fault, method: str, path: str, type: str) -> bool:
    below = path == WEBHOOK if fault.path == WEBHOOK else path != WEBHOOK and f"{path}/".startswith(f"{fault.path}/")
    return below and fault.method == method and fault.type in ("", type)
