"""The ledger refuses, by the database itself, to be wrong."""

import pytest
from django.db import IntegrityError, InternalError, connection, transaction
from django.db.utils import DatabaseError

from accounts.models import Organization
from billing import operations
from billing.models import AccountKind, Entry, LedgerAccount, Posting, PostingKind, Usage
from billing.operations import Unbalanced
from tests.billing.conftest import NOON, assert_books_balance, balance, give

pytestmark = pytest.mark.django_db


def post(organization: Organization, key: str, **amounts: int) -> Posting:
    kinds = {AccountKind(kind): amount for kind, amount in amounts.items()}
    return operations.post(organization=organization, kind=PostingKind.CREDIT, key=key, at=NOON, amounts=kinds)


@transaction.atomic
def forge(organization: Organization, *entries: Entry) -> None:
    """Write a posting past the code, and do what a commit does."""
    posting = Posting.objects.create(organization=organization, kind=PostingKind.CREDIT, key="forged", at=NOON)
    for entry in entries:
        entry.posting = posting
        entry.save()
    check_deferred()


def check_deferred() -> None:
    """What a commit does: run the checks that wait for it."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_posting_moves_money_between_accounts(acme: Organization) -> None:
    post(acme, "a", promotions=-5, wallet=5)
    assert balance(acme) == 100_000_005
    assert balance(acme, AccountKind.PROMOTIONS) == -100_000_005
    assert_books_balance()


def test_the_same_fact_is_posted_once(acme: Organization) -> None:
    first = post(acme, "a", promotions=-5, wallet=5)
    assert post(acme, "a", promotions=-5, wallet=5) == first
    assert balance(acme) == 100_000_005


@pytest.mark.parametrize("amounts", [{"wallet": 5}, {"wallet": 5, "promotions": -4}, {"wallet": 0}, {}])
def test_an_unbalanced_posting_is_refused_before_the_database_sees_it(
    acme: Organization, amounts: dict[str, int]
) -> None:
    with pytest.raises(Unbalanced):
        post(acme, "a", **amounts)


def test_the_database_refuses_entries_that_do_not_sum_to_zero(acme: Organization) -> None:
    account = LedgerAccount.objects.get(organization=acme, kind=AccountKind.WALLET)
    with pytest.raises(DatabaseError, match="do not sum to zero"):
        forge(acme, Entry(account=account, amount_micros=5, balance_micros=5))


def test_the_database_refuses_a_late_entry_in_an_old_posting(acme: Organization) -> None:
    check_deferred()
    account = _revenue(acme)
    with pytest.raises(DatabaseError, match="do not sum to zero"), transaction.atomic():
        Entry.objects.create(posting=Posting.objects.get(), account=account, amount_micros=5, balance_micros=5)


def test_the_database_refuses_a_posting_without_entries(acme: Organization) -> None:
    with pytest.raises(DatabaseError, match="has no entries"):
        forge(acme)


@pytest.mark.parametrize("model", [Posting, Entry])
def test_what_is_posted_is_never_changed_or_deleted(acme: Organization, model: type[Posting] | type[Entry]) -> None:
    rows = model._default_manager.all()
    with pytest.raises((InternalError, DatabaseError), match="Cannot update or delete"), transaction.atomic():
        rows.update(id=99)
    with pytest.raises((InternalError, DatabaseError), match="Cannot update or delete"), transaction.atomic():
        rows._raw_delete(rows.db)


def test_usage_is_never_changed_and_accounts_are_never_deleted(acme: Organization) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass", [Usage._meta.db_table])
        assert any("usage_is_append_only" in name for (name,) in cursor.fetchall())
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        LedgerAccount.objects.all()._raw_delete("default")


def test_a_key_is_unique_even_past_the_code(acme: Organization) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Posting.objects.create(organization=acme, kind=PostingKind.CREDIT, key=Posting.objects.get().key, at=NOON)


def test_credit_is_granted_once_for_each_key(acme: Organization) -> None:
    for _ in range(2):
        operations.grant(organization=acme, amount_micros=7, key="welcome", memo="", now=NOON)
    assert balance(acme) == 100_000_007
    give(acme, 1)
    assert_books_balance()


def _revenue(organization: Organization) -> LedgerAccount:
    return LedgerAccount.objects.create(organization=organization, kind=AccountKind.REVENUE)
