"""Many customers want the last kilowatt of a site at the same instant, each on another node."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from accounts.models import Organization
from leasing.operations import calendar
from leasing.queries.power import spans_of
from marketplace.models import Offer, PowerWindow
from marketplace.queries import Window
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import hold
from tests.together import deadlocks, together

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS, ENOUGH_FOR = 24, 4


@pytest.fixture
def offer() -> Offer:
    """A free node for everybody, and firm power for four."""
    offer = factories.an_offer(factories.a_pool(nodes=ORDERS))
    PowerWindow.objects.create(
        site=offer.pool.site, period=DateTimeTZRange(None, None), likely_watts=0, surplus_watts=0, derivation=[],
        firm_watts=ENOUGH_FOR * offer.pool.node_type.power_w, counted_at=NOON,
    )  # fmt: skip
    return offer


LOCK = "    PERFORM pg_advisory_xact_lock(1195787346, place::int);"
TAKE = "FUNCTION leasing_take_power("
# Whoever has looked goes on only when one more has looked than there is power for.
MEETING = f"""
    CREATE SEQUENCE have_looked;
    CREATE OR REPLACE FUNCTION leasing_take_power(
        wanted_offer bigint, nodes int, wanted tstzrange, quote text, moment timestamptz
    ) RETURNS timestamptz LANGUAGE plpgsql AS $$
    DECLARE
        seen timestamptz := take_unguarded(wanted_offer, nodes, wanted, quote, moment);
    BEGIN
        PERFORM nextval('have_looked');
        WHILE (SELECT last_value FROM have_looked) <= {ENOUGH_FOR} LOOP
            PERFORM pg_sleep(0.005);
        END LOOP;
        RETURN seen;
    END
    $$
"""


@pytest.fixture
def no_guard() -> Iterator[None]:
    """The same function without its lock."""
    functions = Path(calendar.__file__).with_name("power.sql").read_text()
    assert LOCK in functions and TAKE in functions
    with connection.cursor() as cursor:
        cursor.execute(functions.replace(LOCK, "").replace(TAKE, "FUNCTION take_unguarded(") + MEETING)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP SEQUENCE have_looked; DROP FUNCTION take_unguarded")
        cursor.execute(functions)


def order_all(offer: Offer) -> Counter[str]:
    acme = factories.an_organization()
    factories.a_key(acme), factories.an_image()
    results = together(ORDERS, lambda _: hold(acme, offer, ends_at=NOON + HOUR))
    return Counter(type(result).__name__ for result in results)


def test_without_the_lock_more_firm_power_is_sold_than_there_is(offer: Offer, no_guard: None) -> None:
    assert order_all(offer)["Lease"] > ENOUGH_FOR


def test_orders_of_different_nodes_at_once_never_sell_more_than_there_is(offer: Offer) -> None:
    before = deadlocks()
    assert order_all(offer) == {"Lease": ENOUGH_FOR, "PowerTaken": ORDERS - ENOUGH_FOR}
    spans = spans_of(site=offer.pool.site, window=Window(NOON, NOON + HOUR), now=NOON)
    assert all(span.has(0) for span in spans) and deadlocks() == before
    assert Organization.objects.count() == 1
