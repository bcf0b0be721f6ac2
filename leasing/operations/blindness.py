"""A site whose watcher does not look: staff is told once when that is so, and once when it looks again."""

from datetime import datetime

from django.db import transaction

from accounts.operations import record
from marketplace.models import Site

ACTOR = "system:leasing"


@transaction.atomic
def went_blind(*, site: Site, since: datetime, now: datetime) -> None:
    """Nobody has looked at the site's nodes `since` then."""
    if Site.objects.filter(pk=site.pk, blind_since=None).update(blind_since=since):
        words = (
            f"Nobody has looked at its nodes since {since:%Y-%m-%d %H:%M:%S} UTC: outages there are neither seen nor "
            "told. See whether the site's watcher runs."
        )
        _tell(site, "site.blind", f"{site.name} is blind", words, now=now)


@transaction.atomic
def sees_again(*, site: Site, now: datetime) -> None:
    """The site's watcher has written what it saw."""
    if Site.objects.filter(pk=site.pk, blind_since__isnull=False).update(blind_since=None):
        _tell(site, "site.sees_again", f"{site.name} sees again", "Its watcher looks at its nodes again.", now=now)


def _tell(site: Site, kind: str, title: str, text: str, *, now: datetime) -> None:
    path = f"/operations/fleet/?site={site.slug}"
    record(
        organization=None,
        kind=kind,
        subject=site.slug,
        actor=ACTOR,
        at=now,
        data={"name": site.name},
        notice={"title": title, "text": text, "path": path},
    )
