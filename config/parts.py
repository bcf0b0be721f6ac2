"""Our own processes: the preparation, the web server, the workers and the clock."""

import os
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from config import ports
from config.part import Part

ROOT = str(Path(__file__).resolve().parent.parent)


def application(env: Mapping[str, str], *, port: int, below: list[Part]) -> list[Part]:
    """Everything that runs above the services `below`, in the order of starting."""
    services = tuple(part.name for part in below)

    def python(name: str, *argv: str, needs: tuple[str, ...], once: bool = False, ready_line: str = "") -> Part:
        command = [sys.executable, "-m", *argv]
        return Part(name=name, argv=command, env=env, cwd=ROOT, needs=needs, once=once, ready_line=ready_line)

    web = Part(
        name="web",
        argv=granian(port, workers=max(1, min(4, (os.cpu_count() or 1) // 2))),
        env=env,
        cwd=ROOT,
        needs=("prepare", *services),
        ready=lambda: _healthy(port),
        unimportant=("Python threads",),  # they wait for the database half of the time
    )
    celery = ("celery", "--app", "config.celery", "--quiet", "--skip-checks")
    return [
        python("prepare", "config.prepare", needs=services, once=True),
        web,
        python("sites", "config.worker", "sites", needs=("prepare", *services), ready_line=" ready."),
        python("worker", "config.worker", "default", needs=("prepare", *services), ready_line=" ready."),
        python("payments", "config.worker", "payments", needs=("prepare", *services), ready_line=" ready."),
        python("energy", "config.worker", "energy", needs=("prepare", *services), ready_line=" ready."),
        python("webhooks", "config.worker", "webhooks", needs=("prepare", *services), ready_line=" ready."),
        python("watch", "config.worker", "watch", needs=("prepare", *services), ready_line=" ready."),
        python("beat", *celery, "beat", "--scheduler", "celery.beat.Scheduler", "--loglevel", "warning",
               needs=("sites", "worker")),
    ]  # fmt: skip


def granian(port: int, *, workers: int) -> list[str]:
    """
    The web server's command: so many processes of four threads, which keep their connections to the database.

    One thread of a process computes at a time. More of them take turns more often, each with its locks held meanwhile:
    with eight, 16 callers who want the same nodes were answered more slowly, and some after twice as long.
    """
    argv = [sys.executable, "-m", "granian", "--interface", "wsgi", "config.wsgi:application"]
    argv += ["--host", ports.HOST, "--port", str(port), "--workers", str(workers), "--log-level", "warning"]
    return [*argv, "--blocking-threads", "4", "--blocking-threads-idle-timeout", "600"]


def _healthy(port: int) -> bool:
    """Whether the web server answers its health check."""
    connection = HTTPConnection(ports.HOST, port, timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
