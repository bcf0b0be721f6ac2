"""Saved cards: kept on the processor's page, mirrored here, told of before they expire, and let go."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet

from accounts.models import Organization, User
from accounts.operations import record
from billing import operations
from billing.models import AutoTopUp, CardPage, CardPageState, SavedCard
from billing.payments import cards as words
from billing.payments.base import Call, Facts, Gateway, GatewayBroke, GatewayRefused

ACTOR = "system:billing"
PAGE_LASTS = timedelta(hours=24)  # the processor's pages expire after a day
FIRST_CHECK, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
LOOK_AGAIN = timedelta(days=1)
TELL_BEFORE = timedelta(days=30)
BATCH = 50
Row = TypeVar("Row", bound=Model)


class CardPageOver(Exception):
    """Nothing is left to do on the page: the card is saved, or the page has expired."""


class UnknownCardPage(Exception):
    """The processor speaks of a page that is not ours."""


class CardNeeded(Exception):
    """The last card cannot go while automatic top-up is on."""

    def __init__(self) -> None:
        super().__init__("Automatic top-up needs this card. Save another card or switch automatic top-up off first.")


def cards_of(organization: Organization) -> QuerySet[SavedCard]:
    """The cards that the organization has saved, its default first."""
    return SavedCard.objects.filter(organization=organization, removed_at=None).order_by("-is_default", "-id")


@transaction.atomic
def request_page(*, organization: Organization, actor: str, created_by: User | None, now: datetime) -> CardPage:
    """Write down the wish to save a card. The processor knows nothing yet."""
    page = CardPage.objects.create(
        organization=organization, created_by=created_by, created_at=now, next_check_at=now + FIRST_CHECK
    )
    record(organization=organization, kind="card.requested", subject=page.public_id, actor=actor, at=now)
    return page


def open_page(*, page: CardPage, customer: str, gateway: Gateway) -> str:
    """
    The address of the processor's page, the same each time. Calls the processor: never in a transaction.

    :raises CardPageOver: if there is nothing left to do there
    :raises GatewayUnavailable: if the processor does not answer; ask again later
    """
    if page.state != CardPageState.OPEN:
        raise CardPageOver(page.get_state_display())
    if page.url:
        return page.url
    call = words.page(
        page_id=page.public_id,
        organization_id=page.organization.public_id,
        customer=customer,
        success_url=f"{settings.BASE_URL}/card-pages/{page.public_id}/",
        cancel_url=f"{settings.BASE_URL}/cards/",
    )
    facts = _opened(call, page, customer, gateway)
    open_ones = CardPage.objects.filter(pk=page.pk, state=CardPageState.OPEN)
    open_ones.update(reference=facts["id"], url=facts.get("url") or "")
    return str(facts["url"])


def _opened(call: Call, page: CardPage, customer: str, gateway: Gateway) -> Facts:
    try:
        return gateway.send(call, key=page.public_id)
    except GatewayBroke:  # each retry would be answered by the same error, although it may have been opened
        for facts in gateway.each(words.PAGES, customer=customer):
            if words.page_of(facts) == page.public_id:
                return facts
        raise


def settle_page(*, reference: str, gateway: Gateway, now: datetime) -> None:
    """
    Ask the processor for a page and keep the card that was saved on it.

    :raises UnknownCardPage: if it is not ours
    :raises GatewayUnavailable: if the processor does not answer
    """
    found = words.page_state(gateway.fetch(f"{words.PAGES}/{reference}", expand=list(words.EXPAND)))
    page = CardPage.objects.select_related("organization").filter(public_id=found.page_id).first()
    if page is None:
        raise UnknownCardPage(f"page {reference} names {found.page_id or 'no page'}")
    with transaction.atomic():
        operations.lock_wallet(organization=page.organization)
        page.refresh_from_db(fields=["state"])
        if page.state == CardPageState.SAVED:
            return
        page.reference = found.reference
        if found.card is not None:
            page.card = keep(organization=page.organization, method=found.card, now=now)
            page.state = CardPageState.SAVED
        elif found.status == "expired":
            page.state = CardPageState.EXPIRED
        page.save(update_fields=["reference", "state", "card"])


@transaction.atomic
def keep(*, organization: Organization, method: Facts, now: datetime) -> SavedCard:
    """The processor's payment method as a row of ours; known or not. The first card is the default."""
    operations.lock_wallet(organization=organization)
    card = SavedCard.objects.filter(reference=method["id"]).first()
    if card:
        _mirror(card, method, now)
        return card
    found = words.card(method)
    card = SavedCard.objects.create(
        organization=organization,
        reference=found.reference,
        brand=found.brand,
        last4=found.last4,
        exp_year=found.exp_year,
        exp_month=found.exp_month,
        is_default=not cards_of(organization).exists(),
        created_at=now,
        next_check_at=now + LOOK_AGAIN,
    )
    _record(card, "card.saved", ACTOR, now, notice=(f"{card} was saved", "It can be used for top-ups from now on."))
    return card


@transaction.atomic
def make_default(*, card: SavedCard, actor: str, now: datetime) -> None:
    """Charge this card from now on where none is named."""
    operations.lock_wallet(organization=card.organization)
    card.refresh_from_db(fields=["is_default", "removed_at"])
    if card.is_default or card.removed_at:
        return
    cards_of(card.organization).update(is_default=False)
    SavedCard.objects.filter(pk=card.pk).update(is_default=True)
    card.is_default = True
    _record(card, "card.made_default", actor, now)


@transaction.atomic
def remove(*, card: SavedCard, actor: str, now: datetime) -> None:
    """
    Never charge a card again, from now on; the processor forgets it a moment later. The newest other card takes its
    place as default.

    :raises CardNeeded: if it is the last one and automatic top-up is on
    """
    operations.lock_wallet(organization=card.organization)
    card.refresh_from_db(fields=["is_default", "removed_at"])
    others = cards_of(card.organization).exclude(pk=card.pk)
    if card.removed_at:
        return
    if not others and AutoTopUp.objects.filter(organization=card.organization, active=True).exists():
        raise CardNeeded
    _drop(card, now)
    _record(card, "card.removed", actor, now, notice=(f"{card} was removed", "It will not be charged any more."))


def _drop(card: SavedCard, now: datetime) -> None:
    was_default = card.is_default
    card.removed_at, card.is_default = now, False
    card.save(update_fields=["removed_at", "is_default"])
    heir = cards_of(card.organization).first()
    if was_default and heir:
        SavedCard.objects.filter(pk=heir.pk).update(is_default=True)


def refresh(*, reference: str, gateway: Gateway, now: datetime) -> None:
    """Bring our row to what the processor says of a card; of one that we do not know, nothing."""
    card = SavedCard.objects.select_related("organization").filter(reference=reference, removed_at=None).first()
    if card is None:
        return
    method = gateway.fetch(f"{words.METHODS}/{reference}")
    with transaction.atomic():
        operations.lock_wallet(organization=card.organization)
        card.refresh_from_db()
        _mirror(card, method, now)


def _mirror(card: SavedCard, method: Facts, now: datetime) -> None:
    found = words.card(method)
    if card.removed_at:
        return
    if found.customer is None:
        _drop(card, now)
        text = "Its bank or the card processor let it go. Save another card if you need one."
        _record(card, "card.gone", ACTOR, now, notice=(f"{card} cannot be used any more", text))
        return
    if (found.exp_year, found.exp_month) != (card.exp_year, card.exp_month):
        card.expiry_told_at = None
    card.brand, card.last4, card.exp_year, card.exp_month = found.brand, found.last4, found.exp_year, found.exp_month
    card.next_check_at = now + LOOK_AGAIN
    card.save()


def check_due(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """
    Settle pages whose message never came, look at cards again, and let go those that were removed. Returns what went
    wrong, by row; none stops the rest.
    """
    CardPage.objects.filter(state=CardPageState.OPEN, reference=None, created_at__lte=now - PAGE_LASTS).update(
        state=CardPageState.EXPIRED
    )
    failures: dict[str, Exception] = {}
    opened = CardPage.objects.filter(state=CardPageState.OPEN, reference__isnull=False, next_check_at__lte=now)
    _each(
        _claim_pages(opened, now),
        lambda page: settle_page(reference=page.reference or "", gateway=gateway, now=now),
        failures,
    )
    stale = SavedCard.objects.filter(removed_at=None, next_check_at__lte=now).order_by("next_check_at")[:BATCH]
    _each(stale, lambda card: refresh(reference=card.reference, gateway=gateway, now=now), failures)
    removed = SavedCard.objects.filter(removed_at__isnull=False, released_at=None).order_by("pk")[:BATCH]
    _each(removed, lambda card: _release(card, gateway, now), failures)
    return failures


@transaction.atomic
def _claim_pages(rows: QuerySet[CardPage], now: datetime) -> list[CardPage]:
    """Pages to ask about, each pushed back so that no other worker asks meanwhile."""
    pages = list(rows.order_by("next_check_at").select_for_update(skip_locked=True)[:BATCH])
    for page in pages:
        page.checks += 1
        page.next_check_at = now + min(FIRST_CHECK * 2 ** min(page.checks, 10), LONGEST_WAIT)
    CardPage.objects.bulk_update(pages, ["checks", "next_check_at"])
    return pages


def _release(card: SavedCard, gateway: Gateway, now: datetime) -> None:
    """A card that was let go before is refused, which is as good."""
    with suppress(GatewayRefused):
        gateway.send(words.release(reference=card.reference), key=f"{card.public_id}:release")
    SavedCard.objects.filter(pk=card.pk).update(released_at=now)


def _each(rows: Iterable[Row], act: Callable[[Row], object], failures: dict[str, Exception]) -> None:
    for row in rows:
        try:
            act(row)
        except Exception as error:  # noqa: BLE001 - reported to the caller, row by row
            failures[str(row)] = error


def expiring(*, now: datetime) -> list[SavedCard]:
    """Cards that expire within 30 days and whose owners were not told yet."""
    soon = now + TELL_BEFORE
    cards = SavedCard.objects.filter(removed_at=None, expiry_told_at=None, exp_year__lte=soon.year)
    return [card for card in cards.select_related("organization") if card.expires_at <= soon]


@transaction.atomic
def tell_of_expiry(*, card: SavedCard, now: datetime) -> None:
    """Once for each date of expiry."""
    fresh = SavedCard.objects.select_for_update(of=("self",)).filter(pk=card.pk, removed_at=None, expiry_told_at=None)
    if not fresh.exists():
        return
    fresh.update(expiry_told_at=now)
    text = f"It is good through {card.exp_month:02}/{card.exp_year}. Save a new card, or its top-ups will fail."
    _record(card, "card.expiring", ACTOR, now, notice=(f"{card} expires soon", text))


def _record(card: SavedCard, kind: str, actor: str, now: datetime, *, notice: tuple[str, str] | None = None) -> None:
    record(
        organization=card.organization,
        kind=kind,
        subject=card.public_id,
        actor=actor,
        at=now,
        data={"brand": card.brand, "last4": card.last4},
        notice={"title": notice[0], "text": notice[1], "path": "/cards/"} if notice else None,
    )
