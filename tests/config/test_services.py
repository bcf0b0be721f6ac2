"""The services that every test stands on."""

import pytest
from celery import current_app
from django.core.cache import cache
from django.db import connection


@pytest.mark.django_db
def test_the_database_is_a_real_postgresql_with_btree_gist() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'btree_gist'")
        assert cursor.fetchone() == (1,)


def test_the_cache_keeps_what_it_is_given() -> None:
    cache.set("greeting", "hello", timeout=5)
    assert cache.get("greeting") == "hello"


def test_a_task_message_reaches_the_broker() -> None:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1)
        assert broker.connected
