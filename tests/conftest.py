"""Real PostgreSQL and Valkey for every run of pytest, started before Django reads its settings.

With DATABASE_URL and REDIS_URL set, those are used instead. Both are started when this file is imported, because
the conftest files below it import models.
"""

import atexit
import gc
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from importlib import import_module
from pathlib import Path

import django
import pytest
from django.conf import settings

from config.embedded import postgres, valkey
from config.environment import keypair
from config.part import Part, stop, wait_ready

STATE = Path(tempfile.mkdtemp(prefix="gridlease-test-"))
STATE.chmod(0o711)
MAKING_THE_DATABASE = 600  # seconds, at most
running: list[tuple[Part, subprocess.Popen[bytes]]] = []


def start(part: Part, url: str) -> str:
    with (STATE / f"{part.name}.log").open("ab") as log:
        running.append((part, part.spawn(log.fileno())))
    wait_ready(*running[-1])
    return url


def services() -> dict[str, str]:
    """The environment that tests run in; what is set outside wins."""
    env = dict(os.environ)
    if "DATABASE_URL" not in env:
        like = Path(env["MIGRATED"]) if "MIGRATED" in env else None
        env["DATABASE_URL"] = start(*postgres.part(STATE, settings=postgres.TEST_SETTINGS, like=like))
    if "REDIS_URL" not in env:
        env["REDIS_URL"] = start(*valkey.part(STATE, durable=False))
    defaults = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "tests-need-no-secret-but-a-long-one-" + "0" * 20,
        "BASE_URL": "http://localhost",
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "STATE_DIR": str(STATE),
        "CERTIFICATE_KEY": str(STATE / "certificate_key"),
        "STRIPE_API_KEY": "sk_test_offline",
        "STRIPE_WEBHOOK_SECRET": "whsec_tests",
    }
    return defaults | env


@atexit.register
def clean_up() -> None:
    for part, process in reversed(running):
        stop(part, process)
    shutil.rmtree(STATE, ignore_errors=True)


os.environ.update(services())
keypair(Path(os.environ["CERTIFICATE_KEY"]))
django.setup()
import_module("config.celery")  # tasks sent by code under test go to this broker


# Most tests say which time it is: the database does not hold them to its own clock, which is for notices.
settings.DATABASES["default"]["OPTIONS"]["options"] += " -c gridlease.time_is_given=on"
# Argon2 is slow on purpose; tests that create many users need not be.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A static file is looked up when it is asked for, instead of all being listed for each test client.
settings.WHITENOISE_AUTOREFRESH = True


def pytest_collection_finish(session: pytest.Session) -> None:
    """
    What is loaded by now stays until the end: the garbage collector need not look through it again and again.

    The first test makes the database, by every migration there is: on a busy machine that alone takes two minutes.
    """
    for first in session.items[:1]:
        first.add_marker(pytest.mark.timeout(MAKING_THE_DATABASE))
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that cannot run is a failure, so that a missing tool never looks like success.

    What could run nowhere is skipped with a reason that begins with "not applicable:".
    """
    report = yield
    in_vain = report.skipped and not hasattr(report, "wasxfail") and "not applicable:" not in str(report.longrepr)
    if in_vain and os.environ.get("CI") == "true":
        report.outcome = "failed"
    return report
