"""Statements that are planned once for each connection."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, connection, transaction

from accounts.prepared import ask

ASKED = "SELECT %s::int + 41000"


def kept() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%::int + 41000'")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_what_is_prepared_outlives_a_refusal() -> None:
    for number in range(3):
        ask(ASKED, [number])
    assert kept() == 1
    with transaction.atomic():
        ask(ASKED, [3])
        transaction.set_rollback(True)
    assert ask(ASKED, [4]) == [(41004,)]
    assert kept() == 1


@pytest.mark.django_db
def test_a_statement_whose_text_is_made_anew_each_time_is_known_again() -> None:
    for number in range(3):
        assert ask(" ".join(["SELECT", "%s::int", "+", "41000"]), [number]) == [(41000 + number,)]
    assert kept() == 1


@pytest.mark.django_db
def test_values_are_answered_as_they_are_whatever_was_given_before() -> None:
    moment = datetime(2027, 2, 28, 23, tzinfo=UTC)
    given: list[list[Any]] = [[None, "a", 1], [moment, None, 2**40], [moment.replace(year=2028), "b", None]]
    for values in given:
        assert ask("SELECT %s::timestamptz, %s::text, %s::bigint", values) == [tuple(values)]


@pytest.mark.django_db
def test_a_statement_that_fails_can_be_asked_again() -> None:
    for number in (0, 2, 0, 2):
        with suppress(DataError), transaction.atomic():
            assert ask("SELECT 8 / %s::int", [number]) == [(4,)]


@pytest.mark.django_db
def test_a_statement_without_rows_answers_none() -> None:
    assert ask("SET LOCAL application_name = 'somebody'") == []
    assert ask("SELECT 1 WHERE %s::int > 1", [1]) == []
