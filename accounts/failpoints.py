"""Named places at which a test may kill the process: between acting on the world and writing it down."""

import os
import signal

from django.conf import settings

REGISTERED: set[str] = set()


def register(*names: str) -> None:
    """Declare places when a module is imported: tests of crashes visit every one, so a new one needs no new test."""
    REGISTERED.update(names)


def reached(name: str) -> None:
    """Die here, as a crashed machine would, if `settings.FAILPOINTS` has the name. Production refuses to have any."""
    assert name in REGISTERED, f"{name} is not registered."
    if name in settings.FAILPOINTS:
        os.kill(os.getpid(), signal.SIGKILL)
