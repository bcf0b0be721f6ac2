"""Named places at which a test may kill the process: between acting on the world and writing it down."""

import os
import signal

from django.conf import settings


def reached(name: str) -> None:
    """Die here, as a crashed machine would, if `settings.FAILPOINTS` has the name. Production refuses to have any."""
    if name in settings.FAILPOINTS:
        os.kill(os.getpid(), signal.SIGKILL)
