"""Each organization's postings are a chain: nothing in it can be changed, removed or slipped in without being found."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Organization
from billing import operations
from billing.invariants import broken
from billing.models import AccountKind, Entry, Link, Posting, PostingKind
from billing.queries.chain import verify
from tests.billing.conftest import NOON, funded, give

pytestmark = pytest.mark.django_db


@contextmanager
def no_triggers() -> Iterator[None]:
    """What an owner of the tables could do."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.fixture
def chained(acme: Organization) -> list[Posting]:
    """Four postings of Acme, with one of somebody else between them."""
    give(acme, 1)
    funded(5, "Other Ltd")
    give(acme, 2)
    give(acme, 3)
    return list(Posting.objects.filter(organization=acme).order_by("pk"))


def test_numbers_count_from_one_in_each_organization(chained: list[Posting]) -> None:
    links = Link.objects.filter(posting__in=chained).order_by("posting")
    assert [link.number for link in links] == [1, 2, 3, 4]
    assert Link.objects.exclude(posting__in=chained).get().number == 1


def test_anybody_can_compute_a_link_again(chained: list[Posting]) -> None:
    first, second = (posting.link for posting in chained[:2])
    posting = chained[1]
    entries = [
        [kind, amount, balance]
        for kind, amount, balance in posting.entries.order_by("account__kind").values_list(
            "account__kind", "amount_micros", "balance_micros"
        )
    ]
    at = f"{posting.at:%Y-%m-%dT%H:%M:%S.%fZ}"
    facts = [1, posting.public_id, posting.organization_id, posting.kind, posting.key, at, None, None, "gift", entries]
    text = f"2 {bytes(first.hash).hex()} {json.dumps(facts, ensure_ascii=False)}"
    assert bytes(second.hash) == hashlib.sha256(text.encode()).digest()
    assert bytes(first.previous_hash) == bytes(32) and bytes(second.previous_hash) == bytes(first.hash)


def test_a_whole_chain_holds(chained: list[Posting], acme: Organization) -> None:
    assert verify(organization=acme) is None
    assert [line for line in broken(now=NOON) if line.startswith("I4")] == []


@pytest.mark.parametrize(
    ("tampering", "number", "says"),
    [
        ("UPDATE billing_posting SET memo = 'loan' WHERE id = %(second)s", 2, "not what was written"),
        ("UPDATE billing_entry SET amount_micros = amount_micros * 2 WHERE posting_id = %(second)s", 2, "not what was"),
        ("DELETE FROM billing_link WHERE posting_id = %(second)s", 3, "a link before it is missing"),
        ("DELETE FROM billing_link WHERE posting_id = %(last)s", 0, "not in the chain"),
        (
            "UPDATE billing_link SET hash = sha256('x') WHERE posting_id = %(second)s",
            2,
            "not what was written",
        ),
    ],
)
def test_the_first_broken_link_is_named(
    chained: list[Posting], acme: Organization, tampering: str, number: int, says: str
) -> None:
    with no_triggers(), connection.cursor() as cursor:
        cursor.execute(tampering, {"second": chained[1].pk, "last": chained[3].pk})
    found = verify(organization=acme)
    assert found and (found.number, says in found.says) == (number, True)
    assert [line for line in broken(now=NOON) if line.startswith("I4c")]


def test_a_rewritten_posting_with_a_fitting_hash_breaks_the_next_link(
    chained: list[Posting], acme: Organization
) -> None:
    with no_triggers(), connection.cursor() as cursor:
        cursor.execute("UPDATE billing_posting SET memo = 'loan' WHERE id = %s", [chained[1].pk])
        cursor.execute(
            "UPDATE billing_link SET hash = billing_link_hash(number, previous_hash, facts)"
            " FROM billing_posting_facts(ARRAY[%s::bigint]) AS fact WHERE fact.posting_id = billing_link.posting_id",
            [chained[1].pk],
        )
    found = verify(organization=acme)
    assert found and (found.number, found.says) == (3, "the link before it is another one")
    assert found.posting == chained[2].public_id


def test_a_posting_is_complete_once_it_is_written(chained: list[Posting]) -> None:
    account = operations._lock(chained[0].organization, AccountKind.REVENUE)
    with pytest.raises(DatabaseError, match="inserted by one statement"), transaction.atomic():
        Entry.objects.create(posting=chained[0], account=account, amount_micros=5, balance_micros=5)
    with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
        Link.objects.update(number=7)


def test_postings_written_by_one_statement_are_chained_by_it(acme: Organization) -> None:
    """As the close of a month writes them: for many organizations, several each."""
    others = [funded(0, f"Company {number}") for number in range(3)]
    for organization in others:
        operations.lock_wallet(organization=organization)
        operations._lock(organization, AccountKind.PROMOTIONS)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH made AS (
                INSERT INTO billing_posting (public_id, organization_id, kind, key, at, memo)
                SELECT 'le_set' || organization.id || turn, organization.id, %(kind)s,
                       'set:' || organization.id || ':' || turn, %(at)s, ''
                  FROM accounts_organization AS organization CROSS JOIN generate_series(1, 3) AS turn
                 WHERE organization.id = ANY (%(ids)s)
                RETURNING id, organization_id)
            INSERT INTO billing_entry (posting_id, account_id, amount_micros, balance_micros)
            SELECT made.id, account.id, CASE account.kind WHEN 'wallet' THEN 5 ELSE -5 END, 0
              FROM made JOIN billing_ledgeraccount AS account USING (organization_id)
            """,
            {"kind": PostingKind.CREDIT, "at": NOON, "ids": [organization.pk for organization in others]},
        )
    assert Link.objects.filter(organization__in=others).count() == 9
    assert {verify(organization=organization) for organization in [acme, *others]} == {None}
