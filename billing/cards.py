"""Saved cards: kept on the processor's page, mirrored here, told of before they expire, and let go."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Organization, User
from accounts.operations import record
from billing import customers, operations, sweeping
from billing.models import (
    AutoTopUp,
    BillingMode,
    CallKind,
    CardPage,
    CardPageState,
    GatewayCall,
    SavedCard,
)
from billing.payments import cards as words
from billing.payments import checkouts
from billing.payments.base import Facts, Gateway, GatewayRefused
from billing.queries.metered import mode_of

ACTOR = "system:billing"
PAGE_LASTS = timedelta(hours=24)  # the processor's pages expire after a day
FIRST_CHECK, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
LOOK_AGAIN = timedelta(days=1)
TELL_BEFORE = timedelta(days=30)


class UnknownCardPage(Exception):
    """The processor speaks of a page that is not ours."""


class CardNeeded(Exception):
    """The last card cannot go while it is charged by itself: `why` says for what, and the way out."""

    def __init__(self, why: str) -> None:
        super().__init__(why)


def cards_of(organization: Organization) -> QuerySet[SavedCard]:
    """The cards that the organization has saved, its default first."""
    return SavedCard.objects.filter(organization=organization, removed_at=None).order_by("-is_default", "-id")


@transaction.atomic
def request_page(*, organization: Organization, actor: str, created_by: User | None, now: datetime) -> CardPage:
    """Write down the wish to save a card, and what is asked of the processor for it. It knows nothing yet."""
    page = CardPage.objects.create(
        organization=organization, created_by=created_by, created_at=now, next_check_at=now + FIRST_CHECK
    )
    ask_page(page=page, now=now)
    record(organization=organization, kind="card.requested", subject=page.public_id, actor=actor, at=now)
    return page


@transaction.atomic
def ask_page(*, page: CardPage, now: datetime) -> None:
    """Write the call that opens the page, once. It is for a customer: until the processor knows that, nothing is."""
    account = customers.make_known(organization=page.organization, now=now)
    if account.customer_reference is None:
        return
    call = words.page(
        page_id=page.public_id,
        organization_id=page.organization.public_id,
        customer=account.customer_reference,
        success_url=f"{settings.BASE_URL}/card-pages/{page.public_id}/",
        cancel_url=f"{settings.BASE_URL}/cards/",
    )
    operations.ask(organization=page.organization, kind=CallKind.CARD_PAGE, subject=page.public_id, call=call, now=now)


def opened(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The page is open: whoever waits for it can type the card."""
    found = words.page_state(facts)
    _open(public_id=call.subject).update(reference=found.reference, url=found.url)


def not_opened(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """There will be no page."""
    _open(public_id=call.subject).update(state=CardPageState.EXPIRED)


def settle_page(*, reference: str, gateway: Gateway, now: datetime) -> None:
    """
    Ask the processor for a page and keep the card that was saved on it.

    :raises UnknownCardPage: see `merge_page`
    :raises GatewayUnavailable: if the processor does not answer
    """
    merge_page(facts=gateway.fetch(f"{checkouts.PATH}/{reference}", expand=checkouts.EXPAND), now=now)


@transaction.atomic
def merge_page(*, facts: Facts, now: datetime) -> None:
    """
    Bring our page to where the processor's is, as it gave it; a card that was saved on it is kept, once.

    :raises UnknownCardPage: if it is not ours
    """
    found = words.page_state(facts)
    page = CardPage.objects.select_related("organization").filter(public_id=found.page_id).first()
    if page is None:
        raise UnknownCardPage(f"page {found.reference} names {found.page_id or 'no page'}")
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
    use = "Your months can be charged to it" if _pays_by_month(organization) else "It can be used for top-ups"
    _record(card, "card.saved", ACTOR, now, notice=(f"{card} was saved", f"{use} from now on."))
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

    :raises CardNeeded: if it is the last one, and automatic top-up is on or each month is charged to it
    """
    operations.lock_wallet(organization=card.organization)
    card.refresh_from_db(fields=["is_default", "removed_at"])
    others = cards_of(card.organization).exclude(pk=card.pk)
    if card.removed_at:
        return
    if not others:
        _check_needed(card)
    _drop(card, now)
    call = words.release(reference=card.reference)
    operations.ask(
        organization=card.organization, kind=CallKind.CARD_RELEASE, subject=card.public_id, call=call, now=now
    )
    _record(card, "card.removed", actor, now, notice=(f"{card} was removed", "It will not be charged any more."))


def _check_needed(card: SavedCard) -> None:
    if AutoTopUp.objects.filter(organization=card.organization, active=True).exists():
        raise CardNeeded("Automatic top-up needs this card. Save another card or switch automatic top-up off first.")
    if _pays_by_month(card.organization):
        raise CardNeeded("Your months are charged to this card. Save another card first.")


def released(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor has let it go as well. Here that was so before."""


def not_released(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """It was let go before, which is as good."""


def find_released(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """The card of a call that lets it go, if that has happened."""
    found = gateway.fetch(call.path.rpartition("/")[0])
    return found if words.card(found).customer is None else None


def _drop(card: SavedCard, now: datetime) -> None:
    was_default = card.is_default
    card.removed_at, card.is_default = now, False
    card.save(update_fields=["removed_at", "is_default"])
    heir = cards_of(card.organization).first()
    if was_default and heir:
        SavedCard.objects.filter(pk=heir.pk).update(is_default=True)


@transaction.atomic
def merge(*, facts: Facts, now: datetime) -> None:
    """Bring our row to what the processor says of a card, as it gave it; of one that we do not know, nothing."""
    card = SavedCard.objects.select_related("organization").filter(reference=facts["id"], removed_at=None).first()
    if card is None:
        return
    operations.lock_wallet(organization=card.organization)
    card.refresh_from_db()
    _mirror(card, facts, now)


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
    Settle pages whose message never came, and look at cards again. Returns what went wrong, by row; none stops the
    rest.
    """
    _open(reference=None, created_at__lte=now - PAGE_LASTS).update(state=CardPageState.EXPIRED)
    sweep = sweeping.Sweep(now=now)
    pages = _open(reference__isnull=False, next_check_at__lte=now).order_by("next_check_at")
    sweep.each(
        sweeping.claims(pages, lambda page: _later(page, now)),
        lambda page: settle_page(reference=page.reference or "", gateway=gateway, now=now),
    )
    stale = SavedCard.objects.filter(removed_at=None, next_check_at__lte=now).order_by("next_check_at")
    sweep.each(
        sweeping.claims(stale, lambda _: {"next_check_at": now + LONGEST_WAIT}),
        lambda card: merge(facts=gateway.fetch(f"{words.METHODS}/{card.reference}"), now=now),
        name=attrgetter("public_id"),
    )
    return sweep.failures


def _later(page: CardPage, now: datetime) -> Mapping[str, object]:
    checks = page.checks + 1
    return {"checks": checks, "next_check_at": now + sweeping.pause(checks, first=FIRST_CHECK, longest=LONGEST_WAIT)}


def _open(**which: object) -> QuerySet[CardPage]:
    return CardPage.objects.filter(**which, state=CardPageState.OPEN)


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
    fails = "your months cannot be charged to it" if _pays_by_month(card.organization) else "its top-ups will fail"
    text = f"It is good through {card.exp_month:02}/{card.exp_year}. Save a new card, or {fails}."
    _record(card, "card.expiring", ACTOR, now, notice=(f"{card} expires soon", text))


def _pays_by_month(organization: Organization) -> bool:
    return mode_of(organization) == BillingMode.METERED


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
