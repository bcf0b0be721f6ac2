"""
Whatever is planned, decided and confirmed, whatever breaks, and whoever comes and goes: no command touches a firm
lease, and no surplus lease is paused before its notice or beyond its budget.

`LIVES=200 ./test pytest tests/energy/test_any_commands.py` lives as many lives.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy import curtailing, pausing
from leasing.operations import interrupting, maintaining, standing_by
from leasing.queries.interruptions import Budget
from marketplace.models import Node
from tests.energy.lives import STEPS, Broken, Life, Steps

EXAMPLES = int(os.environ.get("LIVES", "5"))
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(120 + 20 * EXAMPLES)]
# The usual more often than the rest.
USUAL = ("order", "event", "event", "decide", "plan", "wait", "wait", *8 * ["work"])
STEP = st.tuples(st.sampled_from([*STEPS, *USUAL]), st.integers(0, 999))
ALL_FOR_3_HOURS = 0  # the number of such an event
PAUSED = [("event", ALL_FOR_3_HOURS), ("wait", 1), ("work", 3)]
THREE_TIMES = [*PAUSED, ("answer", 2), ("work", 0)] * 3  # there is power again


@contextmanager
def undone() -> Iterator[None]:
    """Everything, afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def live(life: Life, steps: Steps) -> None:
    for what, number in steps:
        life.step(what, number)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.sampled_from([[], [("event", ALL_FOR_3_HOURS)], PAUSED]), steps=st.lists(STEP, min_size=8, max_size=24))
def test_no_order_of_events_breaks_a_promise(first: Steps, steps: Steps) -> None:
    with undone():
        live(Life(), [("order", 0), ("order", 2), *first, *steps])


def ignored(*_: Any, **__: Any) -> str:
    return ""


def always_left(*_: Any, **__: Any) -> Budget:
    return Budget(0, 0, 99, 99 * 3600)


Guard = tuple[Any, str, Callable[..., Any]]
# A life that tempts each promise, and the guards that keep it: in the code, and in the database.
TEMPTED: dict[str, tuple[Steps, list[Guard], str]] = {
    "a plan names a node that somebody leases": (
        [("order", 2), ("work", 0), ("show", ALL_FOR_3_HOURS)],
        [(curtailing, "idle_nodes", lambda **_: Node.objects.exclude(bmc_address=""))],
        "",
    ),
    "a node is switched off under a lease": (
        [("show", ALL_FOR_3_HOURS), ("order", 1), ("confirm", 0), ("work", 0), ("work", 1)],
        [(standing_by, "why_not_idle", ignored), (maintaining, "_must_be_free", ignored)],
        "ALTER TABLE leasing_claim DROP CONSTRAINT claim_no_overlap",
    ),
    "a lease was paused before its notice": (
        [("order", 0), ("show", ALL_FOR_3_HOURS), ("confirm", 0), ("wait", 2), ("work", 0), ("wait", 1), ("work", 0)],
        [(interrupting, "why_not", ignored)],
        "ALTER TABLE leasing_interruption DROP CONSTRAINT interruption_is_noticed_ahead",
    ),
    "a lease was paused more often than its budget allows": (
        [("order", 0), *THREE_TIMES],
        [(interrupting, "why_not", ignored), (pausing, "budget", always_left)],
        "ALTER TABLE leasing_interruption DISABLE TRIGGER USER",
    ),
}


@pytest.mark.parametrize("promise", TEMPTED)
def test_without_its_guards_a_promise_is_broken(promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, guards, rule = TEMPTED[promise]
    with undone():
        live(Life(nodes=1), steps)
    with undone():
        life = Life(nodes=1)
        with connection.cursor() as cursor:
            cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; {rule}")
        for module, name, without in guards:
            monkeypatch.setattr(module, name, without)
        with pytest.raises(Broken, match=promise):
            live(life, steps)
