"""Keeps the parts running: each starts when those it needs are ready, is restarted when it ends, and stops in reverse.

One loop, one thread: look at every part, do the next thing for it, read what was written, again. The kernel sends each
part its stop signal should the supervisor itself be killed.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable

from config.output import Output
from config.part import Part, Trouble

TICK_SECONDS = 0.05
LOOK_SECONDS = 0.25  # between two looks at a part that is not ready yet
START_SECONDS = 300  # whatever is not ready by then never will be
STEADY_SECONDS = 30  # a part that ran this long has recovered
STOP_SECONDS = 20
ATTEMPTS_TO_START = 4


class Unit:
    """A part and its process."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.was_ready = False
        self.failures = 0
        self.since = 0.0
        self.not_before = 0.0  # when to start it, or to look at it again
        self.pipe = -1
        self.rest = b""
        self.stopping = False

    @property
    def running(self) -> bool:
        return self.process is not None


class Supervisor:
    """Runs parts until told to stop."""

    def __init__(
        self, parts: list[Part], output: Output, *, when_ready: Callable[[], None], when_stopping: Callable[[], None]
    ) -> None:
        self.units = {part.name: Unit(part) for part in parts}
        self.output = output
        self.when_ready, self.when_stopping = when_ready, when_stopping
        self.pipes = selectors.DefaultSelector()
        self.interrupts = 0

    def run(self) -> None:
        """Start everything, watch it, and stop everything at SIGINT or SIGTERM. Raises Trouble when it cannot start."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        announced = False
        try:
            while not self.interrupts:
                for unit in self.units.values():
                    self._advance(unit)
                self._read(TICK_SECONDS)
                if not announced and all(unit.ready for unit in self.units.values()):
                    announced = True
                    self.when_ready()
        finally:
            self._stop_all()

    def _interrupt(self, _number: int, _frame: object) -> None:
        self.interrupts += 1

    def _advance(self, unit: Unit) -> None:
        """The next thing for one part."""
        now = time.monotonic()
        if unit.process is None:
            waiting = any(not self.units[name].ready for name in unit.part.needs if name in self.units)
            if not (waiting or now < unit.not_before or (unit.part.once and unit.ready)):
                self._start(unit)
        elif unit.process.poll() is not None:
            self._ended(unit)
        elif not unit.ready and now >= unit.not_before:
            unit.not_before = now + LOOK_SECONDS
            self._look(unit, now - unit.since)

    def _look(self, unit: Unit, seconds: float) -> None:
        """Whether a running part is ready by now; those with a last word or line tell by themselves."""
        if not (unit.part.once or unit.part.ready_line) and unit.part.ready():
            self._mark_ready(unit)
        elif seconds > START_SECONDS and not unit.was_ready:
            raise Trouble(f"{unit.part.name} was not ready after {seconds:.0f} s; its last lines above say why.")

    def _start(self, unit: Unit) -> None:
        unit.pipe, write = os.pipe()
        os.set_blocking(unit.pipe, False)
        try:
            unit.process = unit.part.spawn(write)
        except OSError as error:
            raise Trouble(f"{unit.part.name} could not be started: {error.strerror} ({unit.part.argv[0]}).") from error
        finally:
            os.close(write)
        unit.since = time.monotonic()
        self.pipes.register(unit.pipe, selectors.EVENT_READ, unit)

    def _mark_ready(self, unit: Unit) -> None:
        unit.ready = unit.was_ready = True

    def _ended(self, unit: Unit) -> None:
        """It ended by itself: a finished step, or a crash to mend."""
        code = self._forget(unit)
        if unit.part.once and code == 0:
            self._mark_ready(unit)
            return
        if unit.part.once:
            raise Trouble(f"{unit.part.name} failed with status {code}; its last lines above say why.")
        unit.ready = False
        unit.failures = 1 if time.monotonic() - unit.since > STEADY_SECONDS else unit.failures + 1
        if not unit.was_ready and unit.failures >= ATTEMPTS_TO_START:
            raise Trouble(f"{unit.part.name} failed {unit.failures} times to start; its last lines above say why.")
        delay = min(30.0, 0.5 * 2 ** (unit.failures - 1))
        unit.not_before = time.monotonic() + delay
        self.output.say(f"{unit.part.name} ended ({_words(code)}); starting it again in {delay:.1f} s.")

    def _forget(self, unit: Unit) -> int:
        """Take leave of an ended process: its last words, and what it left running."""
        assert unit.process is not None
        code = unit.process.wait()
        self._kill_group(unit)
        self._drain(unit)
        self.pipes.unregister(unit.pipe)
        os.close(unit.pipe)
        unit.process = None
        return code

    def _read(self, seconds: float) -> None:
        for key, _ in self.pipes.select(seconds):
            if self._drain(key.data):
                time.sleep(TICK_SECONDS)  # it closed its output and runs on: nothing to read, and no reason to spin

    def _drain(self, unit: Unit) -> bool:
        """Pass on every whole line that is there, at the end of the stream also an unfinished one; whether it ended."""
        while True:
            try:
                chunk = os.read(unit.pipe, 65536)
            except BlockingIOError:
                return False
            lines = (unit.rest + chunk).split(b"\n")
            unit.rest = lines.pop() if chunk else b""
            for line in filter(None, lines):
                self._line(unit, line)
            if not chunk:
                return True

    def _line(self, unit: Unit, line: bytes) -> None:
        shown = not any(word.encode() in line for word in unit.part.unimportant)
        self.output.line(unit.part.name, line, shown=shown)
        if unit.part.ready_line and unit.part.ready_line.encode() in line:
            self._mark_ready(unit)

    def _stop_all(self) -> None:
        """Ask each part to stop once nothing that needs it runs; by force after a while, or at a second Ctrl-C."""
        self.when_stopping()
        pressed = self.interrupts
        deadline = time.monotonic() + STOP_SECONDS
        self.output.say("Stopping; press Ctrl-C again to stop by force.")
        while any(unit.running for unit in self.units.values()):
            forced = self.interrupts > pressed or time.monotonic() > deadline
            for unit in self.units.values():
                self._advance_stop(unit, forced=forced)
            self._read(TICK_SECONDS)
        self.output.say("Stopped.")

    def _advance_stop(self, unit: Unit, *, forced: bool) -> None:
        if unit.process is None:
            return
        if unit.process.poll() is not None:
            self._forget(unit)
        elif forced:
            self._kill_group(unit)
        elif not unit.stopping and not any(
            other.running for other in self.units.values() if unit.part.name in other.part.needs
        ):
            unit.stopping = True
            unit.process.send_signal(unit.part.stop_signal)

    def _kill_group(self, unit: Unit) -> None:
        """End whatever is left of the part's process group."""
        assert unit.process is not None
        try:
            os.killpg(unit.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _words(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"status {code}"
