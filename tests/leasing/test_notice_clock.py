"""A notice counts from when it is told: the database asks its own clock, unless the session says that time is given."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import clock
from accounts.models import Organization
from leasing.models import Interruption
from tests.factories import HOUR
from tests.leasing.interrupted import a_surplus_lease, announced

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]
SECOND = timedelta(seconds=1)


def by_its_own_clock() -> None:
    """As in production, where nothing sets this."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL gridlease.time_is_given = ''")


@pytest.mark.parametrize("late", [12 * SECOND, HOUR])
def test_a_process_that_slept_before_it_told_shortens_no_notice(acme: Organization, late: timedelta) -> None:
    moment = clock.now()
    lease = a_surplus_lease(acme, starts_at=moment - 2 * HOUR, now=moment - 2 * HOUR)
    by_its_own_clock()
    with pytest.raises(IntegrityError, match="the notice counts from now"), transaction.atomic():
        announced(lease, now=moment - late)
    assert announced(lease, now=clock.now()).pk == Interruption.objects.get().pk
