"""A site's processes as they really run, to be killed and started again, and a whole life of a node to do it in."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.db import connection

from accounts import clock
from leasing import schedule
from leasing.models import Enrolment, Machine
from leasing.tasks import nudge_sites
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
CELERY = ["celery", "--app", "config.celery", "--quiet", "worker", "--pool", "solo", "--queues", "site.macon"]
CELERY += ["--without-gossip", "--without-mingle", "--loglevel", "error"]
WATCH = ["config.worker", "watch", "macon"]


def environment(host: dict[str, str]) -> dict[str, str]:
    """A site's process reads the tests' own database and looks at its nodes twice a second."""
    database = os.environ["DATABASE_URL"].replace("/postgres?", f"/{connection.settings_dict['NAME']}?")
    own = {name: value for name, value in host.items() if os.environ.get(name) != value}
    return {**os.environ, "DATABASE_URL": database, "WATCH_EVERY": "1", **own}


class Site:
    """One Celery worker and one watcher of a site, started by way of `inside`. The first ones die at `failpoint`; those
    that follow do not."""

    def __init__(self, host: dict[str, str], failpoint: str, inside: Sequence[str] = ()) -> None:
        self.environment = environment(host)
        self.inside = inside
        self.died = 0
        self.processes = {name: self._start(name, {"FAILPOINTS": failpoint}) for name in ("worker", "watch")}

    def _start(self, name: str, extra: dict[str, str]) -> subprocess.Popen[bytes]:
        module = CELERY if name == "worker" else WATCH
        argv = [*self.inside, sys.executable, "-m", *module]
        return subprocess.Popen(argv, cwd=ROOT, env=self.environment | extra)

    def tend(self) -> None:
        """What beat does, and a new process for one that was killed: its rows are free, its messages are lost."""
        for name, process in self.processes.items():
            if process.poll() is None:
                continue
            assert process.returncode == -signal.SIGKILL, f"the {name} ended by itself: {process.returncode}"
            self.died += 1
            _forget_holders()
            self.processes[name] = self._start(name, {})
        schedule.run_due(now=clock.now())
        nudge_sites()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Tend the site until the condition holds."""

        def tended() -> bool:
            self.tend()
            return bool(condition())

        until(tended, seconds=100, what=what)

    def stop(self) -> None:
        """End both."""
        for process in self.processes.values():
            process.kill()
            process.wait()


def _forget_holders() -> None:
    """A dead worker's rows are free after a minute; the test does not wait for it."""
    past = clock.now() - timedelta(seconds=1)
    for model in (Machine, Enrolment):
        model.objects.filter(work_until__isnull=False).update(work_until=past, next_attempt_at=past)


@contextmanager
def site(host: dict[str, str], failpoint: str = "", inside: Sequence[str] = ()) -> Iterator[Site]:
    """A site's processes, of which the first die at the failpoint."""
    running = Site(host, failpoint, inside)
    try:
        yield running
    finally:
        running.stop()
