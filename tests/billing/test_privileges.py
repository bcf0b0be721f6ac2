"""What is append-only is so by privilege too: the application's role cannot even ask for it."""

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from pytest_django.fixtures import Settings

from accounts.models import Organization
from billing import invoicing, metering
from billing.apps import ledger_is_append_only_by_privilege
from billing.models import Invoice
from billing.queries.months import month_of
from leasing.operations import end
from marketplace.models import Offer
from tests.billing.conftest import HOUR, NOON, SECOND, running
from tests.factories import DAY

pytestmark = pytest.mark.django_db
TABLES = (
    "posting",
    "entry",
    "link",
    "usage",
    "meterprice",
    "invoice",
    "invoiceline",
    "movement",
    "reconciliation",
    "credituse",
    "creditrule",
    "rulecredit",
)
STATEMENTS = {
    "UPDATE": "UPDATE billing_{0} SET id = id",
    "DELETE": "DELETE FROM billing_{0}",
    "TRUNCATE": "TRUNCATE billing_{0} CASCADE",
    "ALTER": "ALTER TABLE billing_{0} DISABLE TRIGGER ALL",
}


@pytest.fixture
def application(db: None) -> Iterator[None]:
    """The test works with the application's role."""
    call_command("grant_application", "gridlease_tests")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE gridlease_tests")
        yield
        cursor.execute("RESET ROLE")


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("word", STATEMENTS)
def test_the_application_cannot_rewrite_the_books(word: str) -> None:
    for table in TABLES:
        statement = STATEMENTS[word].format(table).replace("billing_link SET id = id", "billing_link SET number = 1")
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement)


def test_the_application_does_all_its_work(acme: Organization, offer: Offer, application: None) -> None:
    lease = running(acme, offer)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 600 * SECOND)
    metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR)
    assert invoicing.close(period=month_of(NOON), organizations=[acme.pk], now=NOON + 40 * DAY).issued
    assert Invoice.objects.get().total_cents == 60


def test_granting_to_the_owner_of_the_tables_is_refused() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (owner,) = cursor.fetchone() or ("",)
    with pytest.raises(CommandError, match="owns the tables"):
        call_command("grant_application", owner)


def test_a_deployment_with_one_role_is_warned(settings: Settings) -> None:
    settings.DATABASE_OWNER_URL = ""
    assert [warning.id for warning in ledger_is_append_only_by_privilege(None)] == ["billing.W001"]
    settings.DATABASE_OWNER_URL = "postgresql://gridlease@/postgres"
    assert ledger_is_append_only_by_privilege(None) == []
