"""Whatever is booked, cancelled, returned and planned, in whatever order: the desk with paper and pencil agrees."""

from datetime import timedelta
from random import Random

import pytest
from django.core.management import call_command
from django.db import transaction
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.bookings.actions.anything import an_action
from tests.bookings.life import Life

LONG = settings.get_current_profile_name() == "long"
PATIENCE = 7200 if LONG else 300  # seconds
# A life that disagrees is printed whole: to shorten it by trial takes longer than to read it.
FEW = settings(
    stateful_step_count=20 if LONG else 12,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
RANDOM = st.randoms(use_true_random=True)


class AnyBooking(RuleBasedStateMachine):
    """What customers and staff do, one after the other, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.life = Life(told=note)

    def teardown(self) -> None:
        """Undo everything."""
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    @initialize(random=RANDOM)
    def be_born(self, random: Random) -> None:
        """One throw decides on a whole life: steps that repeat each other show little."""
        self.random = random

    @rule()
    def act(self) -> None:
        """Some do something, one after the other, and somebody looks for nodes."""
        for _ in range(3):
            self.life.step([an_action(self.random)])
        self.life.check_windows(*(self.random.randint(1, most) for most in (4, 30, 30)))

    @rule()
    def wait(self) -> None:
        """Time passes."""
        minutes = self.random.choice((5, 12, self.random.randint(1, 24 * 60)))
        self.life.live_until(self.life.now + timedelta(minutes=minutes))

    @invariant()
    def the_books_hold(self) -> None:
        """After whatever was done."""
        self.life.check_books()


class AnyBookingAtOnce(AnyBooking):
    """The same, several of them at the same instant, on connections of their own. So all of it is committed."""

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        self.life = Life(told=note)

    def teardown(self) -> None:
        """Empty the tables, as is done behind each test that commits."""
        call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)

    @rule()
    def act(self) -> None:
        """Two or three, who know nothing of each other; and others."""
        for count in (2, 3, 3):
            self.life.step([an_action(self.random) for _ in range(count)])


@pytest.mark.django_db
@pytest.mark.timeout(PATIENCE)
def test_any_order_of_bookings_agrees_with_paper_and_pencil() -> None:
    run_state_machine_as_test(AnyBooking, settings=settings(FEW, max_examples=100 if LONG else 12))


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(PATIENCE)
def test_what_is_done_at_once_came_about_in_some_order() -> None:
    run_state_machine_as_test(AnyBookingAtOnce, settings=settings(FEW, max_examples=60 if LONG else 5))
