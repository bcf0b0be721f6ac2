"""The embedded system's mailbox: the mails it would have sent, so that sign-up needs no mail server."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

SEPARATOR = b"\n" + b"-" * 79 + b"\n"  # what Django's file backend writes after each message
NEWEST = 100


@dataclass(frozen=True)
class Letter:
    """One mail: the file it is in, and what a reader wants to see."""

    name: str
    at: datetime
    to: str
    subject: str
    text: str


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The newest mails, newest first."""
    _embedded_only()
    return render(request, "mailbox/index.html", {"letters": letters()[:NEWEST]})


@require_safe
def letter(request: HttpRequest, name: str) -> HttpResponse:
    """One mail."""
    _embedded_only()
    for found in letters():
        if found.name == name:
            return render(request, "mailbox/letter.html", {"letter": found})
    raise Http404


def letters() -> list[Letter]:
    """Every mail in EMAIL_DIR, newest first."""
    files = sorted(Path(settings.EMAIL_FILE_PATH).glob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [found for file in files for found in reversed(_read(file))]


def _embedded_only() -> None:
    if not settings.EMBEDDED:
        raise Http404


def _read(file: Path) -> list[Letter]:
    parts = [part for part in file.read_bytes().split(SEPARATOR) if part.strip()]
    return [_letter(f"{file.stem}-{number}", file, part) for number, part in enumerate(parts)]


def _letter(name: str, file: Path, content: bytes) -> Letter:
    message: EmailMessage = message_from_bytes(content, policy=policy.default)
    body = message.get_body(("plain", "html"))
    return Letter(
        name=name,
        at=datetime.fromtimestamp(file.stat().st_mtime, tz=UTC),
        to=str(message["to"]),
        subject=str(message["subject"]),
        text=body.get_content().strip() if body else "",
    )
