"""Statements that are planned once for each connection."""

import pytest
from django.db import connection, transaction

from accounts.prepared import prepared

ASKED = "SELECT %s::int + 41000"


def ask(number: int) -> int:
    with prepared() as cursor:
        cursor.execute(ASKED, [number])
        return int(cursor.fetchone()[0])


def kept() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%::int + 41000'")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_what_is_prepared_outlives_a_refusal() -> None:
    for number in range(3):
        ask(number)
    assert kept() == 1
    with transaction.atomic():
        ask(3)
        transaction.set_rollback(True)
    assert ask(4) == 41004
    assert kept() == 1
