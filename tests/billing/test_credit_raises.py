"""More credit, by more than the limit, is given with a second person's word only, however it is raised."""

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django.fixtures import Settings

from accounts.models import Event, Organization, User
from billing import adjusting, by_hand, operations
from billing.adjusting import Outdated, SamePerson
from billing.models import (
    AccountKind,
    Adjustment,
    BillingAccount,
    BillingMode,
    PostingKind,
    TrustLevel,
)
from billing.paying import ChangeRefused, Decision
from marketplace.money import MICROS
from tests.accounts.cast import a_browser
from tests.billing.conftest import balance, funded
from tests.billing.papers import DUE, on_account
from tests.billing.test_adjusting import staff
from tests.billing.test_second_person import kim, pat, waits
from tests.factories import DAY
from tests.leasing.test_fleet_pages import text

__all__ = ["kim", "pat"]
pytestmark = pytest.mark.django_db


def raised(organization: Organization, by: User, dollars: int | None, now: datetime = DUE, **more: Any) -> Any:
    """Staff decide on its credit; without dollars it is what its trust gives."""
    said = {"mode": BillingMode.INVOICED, "trust": TrustLevel.ENTERPRISE, "reason": "two good years", **more}
    credit = None if dollars is None else dollars * MICROS
    decision = Decision(credit_micros=credit, **said)
    return by_hand.decide(organization=organization, decision=decision, by=by, now=now)


def credit(organization: Organization) -> int:
    return BillingAccount.objects.get(organization=organization).credit_micros // MICROS


def terms(organization: Organization) -> list[str]:
    """Who changed how it pays."""
    events = Event.objects.filter(organization=organization, kind="payment.terms_changed")
    return list(events.order_by("pk").values_list("actor", flat=True))


@pytest.fixture
def owes(acme: Organization, settings: Settings) -> Organization:
    """It may owe $10; above $2.00 more two people are needed."""
    settings.ADJUSTMENT_LIMIT_CENTS = 200
    on_account(acme)
    BillingAccount.objects.filter(organization=acme).update(credit_micros=10 * MICROS)
    return acme


def test_much_more_credit_is_given_with_a_second_persons_word_only(owes: Organization, pat: User, kim: User) -> None:
    row = waits(raised(owes, pat, 13))
    assert (row.amount_micros, credit(owes), terms(owes)) == (3 * MICROS, 10, [])
    asked = Event.objects.get(kind="adjustment.asked")
    assert "Credit raise of $3.00 for Acme Robotics waits" in asked.words
    with pytest.raises(SamePerson):
        adjusting.approve(adjustment=row, by=pat, now=DUE)
    before = balance(owes)
    done = adjusting.approve(adjustment=row, by=kim, now=DUE + DAY)
    assert (done.state, done.posting, credit(owes), balance(owes)) == ("posted", None, 13, before)
    assert terms(owes) == [f"user:{pat.public_id}"]
    assert BillingAccount.objects.get(organization=owes).trust == "enterprise"


def test_a_little_more_and_less_are_one_persons_and_many_little_raises_are_a_large_one(
    owes: Organization, pat: User, kim: User
) -> None:
    raised(owes, pat, 11)
    raised(owes, pat, 12)
    assert credit(owes) == 12
    waits(raised(owes, pat, 13))
    waits(by_hand.give(organization=owes, amount_micros=1, reason="x", expires_at=None, key="k", by=pat, now=DUE))
    raised(owes, pat, 1)
    assert credit(owes) == 1 and Adjustment.objects.filter(state="posted").count() == 2


def test_what_trust_or_another_way_to_pay_brings_is_a_raise_too(owes: Organization, pat: User) -> None:
    assert waits(raised(owes, pat, None)).amount_micros == 99_990 * MICROS
    before = funded(0, "Before Ltd")
    row = waits(raised(before, pat, 5))
    assert (row.amount_micros, BillingAccount.objects.get(organization=before).mode) == (5 * MICROS, "prepaid")
    raised(before, pat, None, mode=BillingMode.PREPAID)
    assert BillingAccount.objects.get(organization=before).trust == "enterprise", "it brings no credit, and waits not"


def test_a_raise_that_cannot_be_is_refused_at_once_and_one_that_is_another_by_then_is_not_done(
    owes: Organization, pat: User, kim: User
) -> None:
    with pytest.raises(ChangeRefused, match="Say why"):
        raised(owes, pat, 13, reason=" ")
    row = waits(raised(owes, pat, 13))
    raised(owes, kim, 11)
    with pytest.raises(Outdated, match="changed meanwhile"):
        adjusting.approve(adjustment=row, by=kim, now=DUE)
    assert credit(owes) == 11
    settled = waits(raised(owes, pat, 14, mode=BillingMode.METERED, override=True))
    operations.post(
        organization=owes, kind=PostingKind.ADJUSTMENT, key="owes", at=DUE,
        amounts={AccountKind.WALLET: -20 * MICROS, AccountKind.ADJUSTMENTS: 20 * MICROS},
    )  # fmt: skip
    with pytest.raises(Outdated, match=r"It owes \$"):
        adjusting.approve(adjustment=settled, by=kim, now=DUE)


@pytest.mark.parametrize(
    "less",
    [{"trust": TrustLevel.KNOWN}, {"mode": BillingMode.METERED, "override": True}],
    ids=["trust", "way to pay"],
)
def test_a_raise_does_not_bring_back_the_trust_or_way_to_pay_of_when_it_was_asked_for(
    owes: Organization, pat: User, kim: User, less: dict[str, Any]
) -> None:
    row = waits(raised(owes, pat, 13))
    raised(owes, kim, 10, **less)
    with pytest.raises(Outdated, match="changed meanwhile"):
        adjusting.approve(adjustment=row, by=kim, now=DUE)
    account = BillingAccount.objects.get(organization=owes)
    assert (account.mode, account.trust) == (less.get("mode", "invoiced"), less.get("trust", "enterprise"))


def test_one_that_was_asked_for_before_that_was_kept_is_done_as_its_credit_says(
    owes: Organization, pat: User, kim: User
) -> None:
    wanted = {"mode": "invoiced", "trust": "enterprise", "credit_micros": 13 * MICROS, "override": False}
    row = Adjustment(organization=owes, kind="credit_raise", amount_micros=3 * MICROS, words="w", reason="r")
    row.wanted = wanted
    adjusting.submit(row, by=pat, now=DUE)
    adjusting.approve(adjustment=waits(row), by=kim, now=DUE)
    assert credit(owes) == 13


def test_who_decides_on_a_raise_sees_all_of_it_beside_what_holds_today(
    owes: Organization, pat: User, kim: User
) -> None:
    row = waits(raised(owes, pat, 13, mode=BillingMode.METERED, override=True))
    page, his = f"/operations/adjustments/{row.public_id}/", a_browser(kim)
    seen = text(his.get(page))
    for words in (
        f"Paid {BillingMode.METERED.label} so far {BillingMode.INVOICED.label}",
        "Trust enterprise so far new: as long as its payments have stood",
        "Credit $13.00 so far $10.00",
        "It may go without a card that works",
    ):
        assert words in seen
    adjusting.approve(adjustment=row, by=kim, now=DUE)
    assert "Credit $13.00 so far $10.00" in text(his.get(page))


def test_the_database_lets_only_a_raise_be_done_without_a_posting(owes: Organization, pat: User, kim: User) -> None:
    row = waits(raised(owes, pat, 13))
    moved = waits(by_hand.give(organization=owes, amount_micros=3 * MICROS, reason="x", expires_at=None, key="k",
                               by=pat, now=DUE))  # fmt: skip
    done = {"state": "posted", "decided_by": kim, "decided_at": DUE}
    with pytest.raises(IntegrityError, match="adjustment_posts_when_decided"), transaction.atomic():
        Adjustment.objects.filter(pk=moved.pk).update(**done)
    Adjustment.objects.filter(pk=row.pk).update(**done)


def test_page_and_api_say_that_a_raise_waits(owes: Organization, kim: User) -> None:
    clerk = a_browser(staff("sam", "change_billingaccount", "view_tieout"))
    address = f"/operations/metered/{owes.public_id}/"
    assert "Up to $2.00 for one customer within a day" in text(clerk.get(address))
    wanted = {"mode": "invoiced", "trust": "enterprise", "credit": "13", "reason": "two good years"}
    assert "It waits for a second person now." in text(clerk.post(address, wanted, follow=True))
    api = f"/api/v1/operations/accounts/{owes.public_id}"
    said = {"mode": "invoiced", "trust": "enterprise", "credit_micros": 14_000_000, "reason": "r"}
    made = clerk.post(api, said, content_type="application/json")
    assert (made.status_code, made.json()["kind"], made.json()["wanted"]["credit_micros"]) == (
        202, "credit_raise", 14_000_000,
    )  # fmt: skip
    assert credit(owes) == 10
    his = a_browser(kim)
    page = f"/operations/adjustments/{made.json()['id']}/"
    assert "More that it may owe $4.00" in text(his.get(page)) and "Credit of $14.00, trust enterprise" in text(
        his.get("/operations/adjustments/")
    )
    his.post(page, {"answer": "approve"})
    assert credit(owes) == 14
