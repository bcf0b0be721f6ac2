"""People hear of what concerns them: once, by e-mail, whatever is run twice or crashes."""

from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail

from accounts import notices
from accounts.clock import now
from accounts.models import Event, Membership, Notice, Organization, User
from accounts.operations import Words, record
from accounts.tasks import deliver_notices
from tests.together import together

ENDED = Words(title="Your lease\nhas ended", text="The node <b>was</b> returned & wiped.", path="/leases/ls_1/")


def happened(organization: Organization | None, kind: str = "lease.ended", notice: Words | None = ENDED) -> Event:
    return record(organization=organization, kind=kind, subject="ls_1", actor="system:leasing", at=now(), notice=notice)


def test_each_member_concerned_gets_one_letter_however_often_the_task_runs(
    acme: Organization, ada: User, eli: User, fay: User
) -> None:
    event = happened(acme)
    for _ in range(3):
        deliver_notices(anything="else")
    assert [letter.to for letter in mail.outbox] == [["ada@example.com"], ["eli@example.com"]]
    assert mail.outbox[0].subject == "Your lease has ended"
    assert "The node <b>was</b> returned & wiped." in mail.outbox[0].body
    assert "/leases/ls_1/" in mail.outbox[0].body
    assert mail.outbox[0].reply_to == ["support@gridlease.example.com"]
    assert event.public_id in mail.outbox[0].extra_headers["Message-ID"]


@pytest.mark.parametrize(
    ("kind", "roles"),
    [
        ("lease.active", notices.TECHNICAL),
        ("wallet.empty", notices.FINANCIAL),
        ("payment.settled", notices.FINANCIAL),
        ("lease.unpaid", notices.EVERYBODY),
        ("something.new", notices.ADMINS),
    ],
)
def test_the_kind_of_event_decides_who_is_told(kind: str, roles: frozenset[str]) -> None:
    assert notices.roles_for(kind) == roles


def test_nobody_hears_of_events_without_words_or_of_old_ones(acme: Organization) -> None:
    happened(acme, notice=None)
    past = now() - timedelta(days=4)
    record(organization=acme, kind="lease.ended", subject="ls_1", actor="system:leasing", at=past, notice=ENDED)
    deliver_notices()
    assert mail.outbox == []


def test_an_event_that_concerns_nobody_is_looked_at_once(acme: Organization, ada: User) -> None:
    Membership.objects.all().delete()
    happened(acme)
    happened(None)
    assert (notices.address(now=now()), notices.address(now=now())) == (2, 0)
    deliver_notices()
    assert mail.outbox == []


def test_a_mail_server_that_fails_gets_the_letter_again_later(
    acme: Organization, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(acme)

    def broken(*_: object) -> int:
        raise SMTPServerDisconnected("gone")

    with monkeypatch.context() as away:
        away.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", broken)
        deliver_notices()
    deliver_notices()
    assert mail.outbox == []
    Notice.objects.update(claimed_until=now())
    deliver_notices()
    assert len(mail.outbox) == 1
    assert Notice.objects.get().sent_at


def test_a_letter_that_was_sent_twice_carries_the_same_message_id(acme: Organization, ada: User) -> None:
    happened(acme)
    notices.address(now=now())
    first = notices.claim(now=now())
    assert notices.claim(now=now()) == []
    again = notices.claim(now=now() + timedelta(minutes=6))
    ids = [letter.message.extra_headers["Message-ID"] for letter in (*first, *again)]
    assert len(ids) == 2 and len(set(ids)) == 1


@pytest.mark.django_db(transaction=True)
def test_eight_senders_at_once_send_one_letter_to_each() -> None:
    organization = Organization.objects.create(name="Acme")
    user = User.objects.create_user("ada@example.com")
    Membership.objects.create(organization=organization, user=user, role="owner")
    for _ in range(20):
        happened(organization)
    assert not [result for result in together(8, lambda _: deliver_notices()) if isinstance(result, Exception)]
    deliver_notices()
    assert len(mail.outbox) == len({letter.extra_headers["Message-ID"] for letter in mail.outbox}) == 20
