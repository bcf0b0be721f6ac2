"""The mailbox page of the embedded system."""

from pathlib import Path

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend
from django.test import Client
from pytest_django import Settings

from config import mailbox


@pytest.fixture
def mail_directory(tmp_path: Path, settings: Settings) -> Path:
    settings.EMAIL_FILE_PATH = str(tmp_path)
    return tmp_path


def send(directory: Path, subject: str, text: str) -> None:
    message = EmailMessage(subject, text, "from@example.com", ["newcomer@example.com"])
    EmailBackend(file_path=str(directory)).send_messages([message])


def test_a_sent_mail_can_be_read_in_the_browser(mail_directory: Path) -> None:
    send(mail_directory, "Confirm your address", "Your code is 1234-ABCD.\n")
    (letter,) = mailbox.letters()
    assert (letter.subject, letter.to) == ("Confirm your address", "newcomer@example.com")
    assert letter.text == "Your code is 1234-ABCD."


def test_mails_sent_over_one_connection_are_told_apart(mail_directory: Path) -> None:
    messages = [EmailMessage(subject, "…", "from@example.com", ["a@example.com"]) for subject in ("first", "second")]
    EmailBackend(file_path=str(mail_directory)).send_messages(messages)
    assert [letter.subject for letter in mailbox.letters()] == ["second", "first"]
    assert len({letter.name for letter in mailbox.letters()}) == 2


@pytest.mark.django_db
def test_the_pages_show_the_mail_and_make_its_links_links(
    mail_directory: Path, settings: Settings, client: Client
) -> None:
    settings.EMBEDDED = True
    assert "No mail yet" in client.get("/mailbox/").content.decode()
    send(mail_directory, "Confirm your address", "Open http://localhost/account/confirm/ and go on.")
    (letter,) = mailbox.letters()
    assert f"/mailbox/{letter.name}/" in client.get("/mailbox/").content.decode()
    assert '<a href="http://localhost/account/confirm/"' in client.get(f"/mailbox/{letter.name}/").content.decode()


@pytest.mark.django_db
def test_there_is_no_mailbox_where_real_mail_is_sent(mail_directory: Path, client: Client) -> None:
    assert client.get("/mailbox/").status_code == 404
