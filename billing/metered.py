"""
Billing by the month through the processor: one meter, one price, and a subscription for each organization that pays so.

All of it is made through the outbox, each thing once what it needs is known; a sweep asks for what is missing.
"""

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from accounts.models import Organization
from billing import locating, operations, sweeping
from billing.cards import cards_of
from billing.models import (
    BillingAccount,
    BillingMode,
    CallKind,
    CallState,
    GatewayCall,
    Link,
    MeteredPrice,
    MeteredSubscription,
    SavedCard,
)
from billing.payments import customers, meters
from billing.payments.base import Facts, Gateway
from billing.queries.months import month_of, next_month, start_of
from billing.queries.taxes import profile_of
from billing.queries.wallet import wallet_balance

OPEN = (CallState.PENDING, CallState.UNCERTAIN)


def begin(*, organization: Organization, now: datetime) -> MeteredSubscription:
    """
    From now on the processor is told what the organization is charged. Money that it has is taken off first. Under the
    wallet's lock; the subscription itself is made by `prepare`.

    One whose subscription has not ended yet goes on where it was, and what moved its wallet meanwhile is told as if it
    had never left: so what it still owes for that month is not taken for spent money, and the month has one sum.
    """
    subscription, _ = MeteredSubscription.objects.select_for_update().get_or_create(organization=organization)
    if subscription.ends_at and subscription.ends_at > now:
        _ask_end(subscription, ends=False, now=now)
    else:
        links = Link.objects.filter(organization=organization).order_by("-number")
        last = links.values_list("number", flat=True).first()
        subscription.begun_number = subscription.exported_number = last or 0
        subscription.carry_micros = -max(0, wallet_balance(organization))
        if subscription.ends_at:
            subscription.reference = subscription.started_at = None
    subscription.ends_at = subscription.closed_at = None
    subscription.save()
    return subscription


def end(*, organization: Organization, now: datetime) -> None:
    """Nothing more is billed: the subscription ends with its month, in which nothing is owed."""
    subscription = MeteredSubscription.objects.select_for_update().get(organization=organization)
    subscription.ends_at = start_of(next_month(month_of(now)))
    subscription.save(update_fields=["ends_at"])
    if subscription.reference:
        _ask_end(subscription, ends=True, now=now)


def _ask_end(subscription: MeteredSubscription, *, ends: bool, now: datetime) -> None:
    if subscription.reference is None:
        return
    operations.ask(
        organization=subscription.organization,
        kind=CallKind.SUBSCRIPTION_END,
        subject=f"{subscription.reference}:{now:%Y-%m-%dT%H:%M:%S.%f}",
        call=meters.ending(subscription=subscription.reference, ends=ends),
        now=now,
    )


def prepare(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """
    Ask for what is missing: the card to charge, tax, the meter, then its price, then subscriptions. Calls the
    processor, to find what was made before this database was: a meter's name and a price's lookup key can be given
    once. Returns what went wrong, by organization; none stops the rest.
    """
    sweep = sweeping.Sweep(now=now, seconds=sweeping.LONG_SECONDS)
    whose = attrgetter("organization.public_id")
    sweep.each(_charged(), lambda account: _see_card(account, now), name=whose)
    sweep.each(_taxed_otherwise(), lambda row: _ask_tax(row, now), name=whose)
    waiting = BillingAccount.objects.filter(
        mode=BillingMode.METERED,
        customer_reference__isnull=False,
        organization__metered_subscription__reference=None,
    )
    accounts = list(waiting.select_related("organization").order_by("pk"))
    prices = list[str]()
    sweep.each(accounts[:1], lambda first: prices.append(_price(gateway, first.organization, now)), name=whose)
    price = prices[0] if prices else ""
    sweep.each(accounts if price else (), lambda account: _ask_subscription(account, price, now), name=whose)
    return sweep.failures


def _charged() -> QuerySet[BillingAccount]:
    known = BillingAccount.objects.filter(mode=BillingMode.METERED, customer_reference__isnull=False)
    return known.select_related("organization__metered_subscription").order_by("pk")


def _see_card(account: BillingAccount, now: datetime) -> None:
    """Months are charged to the default card: the processor is told when that is another one."""
    card = cards_of(account.organization).first()
    if card and card.reference != account.organization.metered_subscription.card_reference:
        _ask_card(account, card, now)


@transaction.atomic
def _ask_card(account: BillingAccount, card: SavedCard, now: datetime) -> None:
    """Once for each change: a card that is refused is not asked for again before another was taken."""
    told = GatewayCall.objects.filter(organization=account.organization, kind=CallKind.BILLED_CARD)
    call = customers.charged_to(customer=str(account.customer_reference), card=card.reference)
    operations.ask(
        organization=account.organization,
        kind=CallKind.BILLED_CARD,
        subject=f"{card.public_id}:{told.filter(state=CallState.DONE).count()}",
        call=call,
        now=now,
    )


def card_told(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor charges months to that card from now on."""
    MeteredSubscription.objects.filter(organization=call.organization).update(
        card_reference=customers.default_card(facts)
    )


def find_card(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """The customer of a call that names a card, if it has that card."""
    found = gateway.fetch(call.path)
    return found if customers.default_card(found) == customers.default_card(call.body) else None


def _taxed_otherwise() -> QuerySet[MeteredSubscription]:
    """Tax is worked out on months where Stripe Tax is enabled and knows where the customer is, and nowhere else."""
    located = Exists(locating.located().filter(organization=OuterRef("organization")))
    rows = MeteredSubscription.objects.filter(reference__isnull=False, ends_at=None).annotate(located=located)
    return rows.exclude(taxed=F("located")).select_related("organization").order_by("pk")


@transaction.atomic
def _ask_tax(subscription: MeteredSubscription, now: datetime) -> None:
    """Once for each change, as with cards; one that was refused is asked for again with another address."""
    reference = str(subscription.reference)
    told = GatewayCall.objects.filter(organization=subscription.organization, kind=CallKind.SUBSCRIPTION_TAX)
    profile = profile_of(subscription.organization)
    operations.ask(
        organization=subscription.organization,
        kind=CallKind.SUBSCRIPTION_TAX,
        subject=f"{reference}:{profile.version if profile else 0}:{told.filter(state=CallState.DONE).count()}",
        call=meters.taxing(subscription=reference, taxed=not subscription.taxed),
        now=now,
    )


def _price(gateway: Gateway, first: Organization, now: datetime) -> str:
    """The price's reference, or "" while it is being made: the calls go in the first organization's line."""
    known, _ = MeteredPrice.objects.get_or_create(event_name=meters.EVENT_NAME)
    if known.price_reference:
        return known.price_reference
    if not known.meter_reference:
        found = meters.find_meter(gateway)
        if found is None:
            _ask_once(first, CallKind.METER, now)
            return ""
        meter_known(reference=found["id"])
    found = meters.find_price(gateway)
    if found is None:
        _ask_once(first, CallKind.METERED_PRICE, now)
        return ""
    MeteredPrice.objects.filter(pk=known.pk).update(price_reference=found["id"])
    return str(found["id"])


def meter_known(*, reference: str) -> None:
    """The meter is there."""
    MeteredPrice.objects.filter(event_name=meters.EVENT_NAME).update(meter_reference=reference)


@transaction.atomic
def _ask_once(organization: Organization, kind: CallKind, now: datetime) -> None:
    """Unless it is asked for already; one that was refused is asked for again at another day."""
    if not GatewayCall.objects.filter(kind=kind, state__in=OPEN).exists():
        reference = MeteredPrice.objects.get(event_name=meters.EVENT_NAME).meter_reference
        call = meters.meter() if kind == CallKind.METER else meters.price(meter=reference)
        subject = f"{meters.EVENT_NAME}:{now:%Y-%m-%d}"
        operations.ask(organization=organization, kind=kind, subject=subject, call=call, now=now)


@transaction.atomic
def _ask_subscription(account: BillingAccount, price: str, now: datetime) -> None:
    anchor = start_of(next_month(month_of(now)))
    call = meters.subscription(
        customer=str(account.customer_reference),
        price=price,
        anchor=anchor,
        organization_id=account.organization.public_id,
        taxed=locating.located().filter(organization=account.organization).exists(),
    )
    open_calls = GatewayCall.objects.filter(
        organization=account.organization, kind=CallKind.SUBSCRIPTION, state__in=OPEN
    )
    if not open_calls.exists():
        taxed = ":taxed" if meters.is_taxed(call.body) else ""
        subject = f"{account.organization.public_id}:{now:%Y-%m-%d}{taxed}"
        operations.ask(
            organization=account.organization, kind=CallKind.SUBSCRIPTION, subject=subject, call=call, now=now
        )


def made(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The meter or the price was made."""
    field = "meter_reference" if call.kind == CallKind.METER else "price_reference"
    MeteredPrice.objects.filter(event_name=meters.EVENT_NAME).update(**{field: facts["id"]})


def subscribed(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The organization is billed by the month from now on; one that has left meanwhile, until the end of its month."""
    mine = MeteredSubscription.objects.select_for_update().filter(organization=call.organization, reference=None)
    for row in mine:
        row.reference, row.taxed = facts["id"], meters.is_taxed(facts)
        row.started_at = datetime.fromtimestamp(facts["start_date"], now.tzinfo)
        row.save(update_fields=["reference", "taxed", "started_at"])
        if row.ends_at:
            _ask_end(row, ends=True, now=now)


def tax_told(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """From the next invoice on, tax is worked out, or not."""
    MeteredSubscription.objects.filter(organization=call.organization, reference=facts["id"]).update(
        taxed=meters.is_taxed(facts)
    )


def ended(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """
    It ends with its month, or goes on: `ends_at` says so already. Where the call was late, it is the processor's next
    month: until then who comes back goes on with it, so that no two of them bill the same use.
    """
    if ends := meters.ends_at(facts):
        MeteredSubscription.objects.filter(reference=facts["id"], ends_at__lt=ends).update(ends_at=ends)


def find(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """The meter, the price or the subscription of a call, by its name or reference."""
    if call.kind == CallKind.METER:
        return meters.find_meter(gateway)
    if call.kind == CallKind.METERED_PRICE:
        return meters.find_price(gateway)
    found = gateway.fetch(call.path)
    if call.kind == CallKind.SUBSCRIPTION_TAX:
        return found if meters.is_taxed(found) == meters.is_taxed(call.body) else None
    return found if found["cancel_at_period_end"] == call.body["cancel_at_period_end"] else None
