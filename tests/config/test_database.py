"""Connections that are kept between requests."""

from typing import Any

import pytest
from django.db import connection, connections

WHO = "SELECT pg_backend_pid()"


def session() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WHO)
        return int(cursor.fetchone()[0])


def from_another(sql: str, given: list[Any]) -> Any:
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute(sql, given)
            return cursor.fetchone()[0]
    finally:
        other.close()


@pytest.fixture
def kept(transactional_db: None) -> int:
    """The number of a session whose next request is about to begin."""
    number = session()
    connection.close_if_unusable_or_obsolete()
    return number


def test_a_kept_connection_serves_the_next_request_and_is_not_asked_before(kept: int) -> None:
    connection.close_if_health_check_failed()
    assert from_another("SELECT query FROM pg_stat_activity WHERE pid = %s", [kept]) == WHO
    assert session() == kept


def test_a_connection_that_the_server_ended_is_replaced_before_the_next_request(kept: int) -> None:
    assert from_another("SELECT pg_terminate_backend(%s, 10000)", [kept])
    assert session() != kept


def test_a_connection_that_is_closed_here_is_replaced_as_well(kept: int) -> None:
    connection.connection.close()
    assert session() != kept
