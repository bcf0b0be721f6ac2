"""Rows that are rounded to cents may come to another cent than their sum, rounded once: only then it is said."""

from datetime import datetime
from decimal import Decimal

import pytest

from accounts.models import Organization
from billing import budgets, metering
from leasing.operations import end
from marketplace.models import Offer
from marketplace.money import MICROS
from tests.accounts.cast import a_browser
from tests.billing import amounts as read
from tests.billing.conftest import SECOND, funded, running
from tests.billing.papers import STAFF, on_account
from tests.billing.test_amounts import moment
from tests.billing.test_pages import see

__all__ = ["moment"]
pytestmark = pytest.mark.django_db
WORDS = "Rows are rounded to cents; the sum is exact."
CENT = Decimal("0.01")


def page(organization: Organization, address: str) -> str:
    return see(a_browser(organization.members.get()), address)


def used(organization: Organization, offer: Offer, seconds: int, moment: datetime) -> None:
    """For so many seconds until now."""
    lease = running(organization, offer, now=moment - seconds * SECOND)
    end(lease=lease, reason="returned", actor=STAFF, now=moment)
    metering.meter(lease=lease, upto=moment, now=moment)


def capped(organization: Organization, dollars: int, moment: datetime) -> None:
    micros = dollars * MICROS
    budgets.create(organization=organization, actor=STAFF, created_by=None, project="", limit_micros=micros, now=moment)


def lists(html: str) -> list[tuple[Decimal, Decimal]]:
    """Of each list with a sum: what its rows come to, and what it says."""
    found = [one for one in read.each(read.main_of(html)) if read.has_class(one, "facts--total")]
    sums = [
        [one.dollars for one in read.amounts(facts) if one.inside("dd") and not one.inside("span")] for facts in found
    ]
    return [(sum(rows, Decimal()), total) for *rows, total in sums]


@pytest.mark.parametrize(("seconds", "rows"), [(5, "96.39"), (10, "96.40")])
def test_the_balance_of_a_wallet(offer: Offer, moment: datetime, seconds: int, rows: str) -> None:
    acme = funded(100)
    running(acme, offer, now=moment - seconds * SECOND)  # a tenth of a cent a second
    shown = page(acme, "/wallet/")
    assert lists(shown) == [(Decimal(rows), Decimal("96.40"))]
    assert (WORDS in shown) == (rows != "96.40")


@pytest.mark.parametrize(("seconds", "apart"), [(5, [CENT, -CENT]), (10, [0, 0])])
def test_the_credit_of_who_pays_later(offer: Offer, moment: datetime, seconds: int, apart: list[Decimal]) -> None:
    acme = funded(0)
    on_account(acme)
    running(acme, offer, now=moment - seconds * SECOND)
    shown = page(acme, "/wallet/")
    assert [rows - total for rows, total in lists(shown)] == apart, "what is used of the credit, and what is available"
    assert shown.count(WORDS) == sum(map(bool, apart))


@pytest.mark.parametrize(("seconds", "left", "apart"), [(5, "500.00", [-CENT, 0]), (10, "499.99", [0, 0])])
def test_what_is_left_of_a_budget(
    offer: Offer, moment: datetime, seconds: int, left: str, apart: list[Decimal]
) -> None:
    acme = funded(100)
    capped(acme, 500, moment)
    used(acme, offer, seconds, moment)
    shown = page(acme, "/budgets/")
    assert lists(shown)[0][1] == Decimal(left)
    assert [rows - total for rows, total in lists(shown)] == apart
    assert shown.count(WORDS) == sum(map(bool, apart))


def test_a_budget_that_is_passed_shows_by_how_much_and_that_is_no_question_of_cents(
    offer: Offer, moment: datetime
) -> None:
    acme = funded(100)
    used(acme, offer, 1005, moment)
    capped(acme, 1, moment)
    shown = page(acme, "/budgets/")
    assert lists(shown)[0] == (-CENT, -CENT)
    assert WORDS not in shown
