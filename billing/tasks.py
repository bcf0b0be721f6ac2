"""Celery's entry points. Each finds its work in the rows, one by one, and a bad row does not stop the rest."""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from accounts import clock
from accounts.models import Organization
from accounts.operations import for_each
from billing import (
    adjusting,
    calculating,
    capping,
    card_invoices,
    cards,
    charging,
    crediting,
    exporting,
    extending,
    filling,
    granting,
    inbox,
    incidents,
    invoicing,
    locating,
    metered,
    metering,
    operations,
    payments,
    polling,
    receivables,
    reconciling,
    recounting,
    reselling,
    retelling,
    sending,
    settlement,
    standing,
    taxing,
    topping_up,
    tying_out,
)
from billing import refunds as refunding
from billing.payments.base import GatewayRefused, GatewaySilent, GatewayUnavailable, KeyRefused, PermissionRefused

CLOSED_AT_ONCE = 2_000  # wallets that one close keeps locked: half a second or so
SENDERS = 8  # calls in flight at once in one sweep: at 300 ms each, about as many a second as the processor takes
log = logging.getLogger(__name__)


@shared_task
def meter(**_: object) -> None:
    """Charge running leases up to the last full hour, close the meters of those that are over, and settle late news."""
    due = metering.due(now=clock.now())
    open_ended = {lease.organization_id for lease in due if lease.ends_at is None}
    _cap(capping.at_stake().filter(pk__in=open_ended))  # first: what a late sweep let run past a budget is never posted
    for_each(
        due,
        lambda lease: metering.meter(lease=lease, upto=metering.slice_end(clock.now()), now=clock.now()),
    )
    for_each(metering.corrections_due(now=clock.now()), lambda lease: metering.correct(lease=lease, now=clock.now()))


@shared_task
def recount_usage(**_: object) -> None:
    """Count the usage of some organizations a second time."""
    for_each(recounting.due(), lambda organization: recounting.recount(organization=organization, now=clock.now()))


@shared_task
def credit_resales(**_: object) -> None:
    """Give back a part of the fees of time that was handed back and that others use."""
    for_each(reselling.due(now=clock.now()), lambda row: reselling.credit(hand_back=row, now=clock.now()))


@shared_task
def credit_promises(**_: object) -> None:
    """Credit what leases are owed for promises that were not kept."""
    for_each(crediting.due(now=clock.now()), lambda lease: crediting.credit(lease=lease, now=clock.now()))


@shared_task
def settle(**_: object) -> None:
    """Act on the processor's messages, then ask about payments whose message never came."""
    ask(inbox.settle_due, settlement.check_overdue, charging.check_overdue, cards.check_due)


@shared_task
def poll(**_: object) -> None:
    """Look through the processor's objects, in case messages never came."""
    ask(polling.poll)


@shared_task
def reconcile(**_: object) -> None:
    """Compare our ledger with the processor's account of each day that is over."""
    ask(reconciling.reconcile)


@shared_task
def check_tax_ids(**_: object) -> None:
    """Have tax ids checked, ask what came of it, and see that the processor has the right address and no other id."""
    for_each(taxing.stale(), lambda row: taxing.take_off(profile=row, now=clock.now()))
    for_each(locating.due(), lambda row: locating.tell(profile=row, now=clock.now()))
    ask(taxing.check_due)


@shared_task
def expire_adjustments(**_: object) -> None:
    """Call off adjustments that nobody decided on in time."""
    for_each(adjusting.overdue(now=clock.now()), lambda row: adjusting.expire(adjustment=row, now=clock.now()))


@shared_task
def send_calls(**_: object) -> None:
    """Make the calls to the processor that wait, and see whether any has waited for too long."""
    ask(partial(sending.send_due, workers=SENDERS))
    incidents.review(now=clock.now())


@shared_task
def bill_monthly(**_: object) -> None:
    """See that the processor can bill who pays by the month, and tell it what they are charged."""
    for_each(exporting.due(), lambda organization: exporting.export(organization=organization, now=clock.now()))
    ask(metered.prepare, card_invoices.look)
    for_each(
        card_invoices.suspend_due(now=clock.now()),
        lambda organization: card_invoices.suspend(organization=organization, now=clock.now()),
    )


@shared_task
def tie_out(**_: object) -> None:
    """Look for what the meter may not have counted, then compare what was charged with what it counted and invoiced."""
    ask(retelling.look, tying_out.tie_out)


@shared_task
def refunds(**_: object) -> None:
    """Ask about refunds that were sent and not confirmed."""
    ask(refunding.check_sent)


@shared_task
def top_up_wallets(**_: object) -> None:
    """Charge saved cards where wallets that top up by themselves have too little."""
    for_each(
        topping_up.due(now=clock.now()),
        lambda organization: topping_up.top_up(organization=organization, now=clock.now()),
    )


@shared_task
def lapse_credit(**_: object) -> None:
    """Take back what is left of credit that has ended."""
    for_each(
        granting.due(now=clock.now()),
        lambda organization: operations.lapse(organization=organization, now=clock.now()),
    )


@shared_task
def tell_of_expiring_cards(**_: object) -> None:
    """Tell owners of saved cards that expire soon."""
    for_each(cards.expiring(now=clock.now()), lambda card: cards.tell_of_expiry(card=card, now=clock.now()))


@shared_task
def enforce_standing(**_: object) -> None:
    """Tell, pause and resume where wallets run dry or were filled again, and where budgets are reached or raised."""
    for_each(standing.at_stake(), lambda organization: standing.enforce(organization=organization, now=clock.now()))
    _cap(capping.at_stake())


@shared_task
def extend_leases(**_: object) -> None:
    """Extend leases that are to extend themselves, as their ends come near."""
    for_each(extending.due(now=clock.now()), lambda lease: extending.extend_by_itself(lease=lease, now=clock.now()))


@shared_task
def fill_standing_orders(**_: object) -> None:
    """Serve those who wait for nodes, oldest first."""
    for_each(filling.in_line(), lambda order: filling.fill(order=order, now=clock.now()))


@shared_task
def close_invoices(**_: object) -> None:
    """Issue the invoices of past months, so many at a time that no wallet is locked for long; ask again for taxes."""
    for period in invoicing.past_months(now=clock.now()):
        due = invoicing.due(period=period, now=clock.now())
        for start in range(0, len(due), CLOSED_AT_ONCE):
            _close(period, due[start : start + CLOSED_AT_ONCE])
    invoicing.park_left_behind(now=clock.now())
    for_each(calculating.refused(now=clock.now()), lambda row: calculating.ask(calculation=row, now=clock.now()))


@shared_task
def collect_receivables(**_: object) -> None:
    """Remind of invoices that are to be transferred, and pause or resume ordering as they are overdue or paid."""
    for_each(
        receivables.at_stake(),
        lambda organization: receivables.collect(organization=organization, now=clock.now()),
    )


def _close(period: date, organizations: list[int]) -> None:
    """Close a month for these; should it fail, for each half of them, so that a bad one does not stop the rest."""
    try:
        invoicing.close(period=period, organizations=organizations, now=clock.now())
    except (invoicing.PeriodNotReady, invoicing.ClockBehind) as later:
        log.warning("the next sweep looks again: %s", later)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        middle = len(organizations) // 2
        log.exception(
            "%s could not be closed for %d organizations, from %s", period, len(organizations), organizations[0]
        )
        for half in filter(None, (organizations[:middle], organizations[middle:] if middle else [])):
            _close(period, half)


def _cap(organizations: Iterable[Organization]) -> None:
    for_each(organizations, lambda organization: capping.enforce(organization=organization, now=clock.now()))


def ask(*sweeps: Callable[..., Mapping[str, Exception]]) -> None:
    """Let sweeps ask the processor, one after the other until it is silent; one that fails does not stop the rest."""
    gateway = payments.gateway()
    for sweep in sweeps:
        accepted = gateway.accepted
        try:
            failures = sweep(gateway=gateway, now=clock.now())
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - logged with those of its rows
            failures = {f"{sweep}": error}
        complain(failures)
        if gateway.accepted > accepted and not _any(failures, KeyRefused):
            incidents.key_taken(now=clock.now())
        if _any(failures, GatewaySilent):
            return


def _any(failures: Mapping[str, Exception], kind: type[Exception]) -> bool:
    return any(isinstance(error, kind) for error in failures.values())


def complain(failures: Mapping[str, Exception]) -> None:
    """
    Log what went wrong with rows that will be tried again; where that is our own fault, with its trace. A key that is
    refused is a matter for staff.
    """
    for name, error in failures.items():
        if isinstance(error, KeyRefused | PermissionRefused):
            incidents.key_refused(refusal=error, now=clock.now())
        trace = None if isinstance(error, GatewayUnavailable | GatewayRefused) else error
        log.warning("%s will be tried again: %s: %s", name, type(error).__name__, error, exc_info=trace)
