"""The calendar shows every live claim, whoever else was writing it at the same instant."""

from threading import Thread

import pytest
from django.db import connection, transaction

from accounts.models import Organization
from leasing.models import Claim
from leasing.operations import calendar
from marketplace.models import NodeCalendar
from tests import factories
from tests.factories import NOON
from tests.leasing.conftest import hold
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_calendar_written_behind_somebody_elses_claim_shows_that_claim() -> None:
    acme: Organization = factories.an_organization()
    offer = factories.an_offer()
    node_id = NodeCalendar.objects.get().pk

    def refresh() -> None:
        with transaction.atomic():
            calendar.refresh([node_id])
        connection.close()

    with transaction.atomic():
        hold(acme, offer, starts_at=NOON)
        other = Thread(target=refresh)
        other.start()
        until(somebody_waits)
    other.join()
    assert list(NodeCalendar.objects.get().busy) == [Claim.objects.get().period]


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])
