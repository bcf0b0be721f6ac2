"""The product's sweeps at a moment that is given: late, twice or never, as whoever calls them likes."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from billing import (
    adjusting,
    capping,
    card_invoices,
    cards,
    charging,
    crediting,
    exporting,
    granting,
    inbox,
    invoicing,
    metered,
    metering,
    operations,
    payments,
    polling,
    receivables,
    reconciling,
    recounting,
    refunds,
    reselling,
    sending,
    settlement,
    standing,
    topping_up,
    tying_out,
)
from billing.models import MeteredSubscription
from leasing import provisioning, schedule
from leasing.provisioners.base import ProvisionerError
from marketplace.models import Site

Failures = Mapping[str, Exception]
LEASES = (
    schedule.expire_holds,
    schedule.start_due,
    schedule.deploy_pending,
    schedule.end_due,
    schedule.give_up_overdue,
    schedule.settle_overdue,
    schedule.interrupt_due,
    schedule.resume_powered,
    schedule.pause_again,
    schedule.settle_drains,
)


def leases(now: datetime) -> Failures:
    """What becomes of leases, as far as money can tell, and the work on their nodes."""
    for step in LEASES:
        step(now=now)
    for site in Site.objects.filter(pools__nodes__isnull=False).distinct():
        while (machine := provisioning.take(site=site, now=now)) is not None:
            try:
                outcome = provisioning.act(machine, now=now)
            except ProvisionerError as error:
                provisioning.apply_error(machine=machine, error=error, now=now)
            else:
                provisioning.apply(machine=machine, outcome=outcome, now=now)
    return {}


def meter(now: datetime) -> Failures:
    """Charge what is used, and settle late news."""
    _each(metering.due(now=now), lambda row: metering.meter(lease=row, upto=metering.slice_end(now), now=now))
    _each(metering.corrections_due(now=now), lambda row: metering.correct(lease=row, now=now))
    return {}


def recount(now: datetime) -> Failures:
    """Count it a second time."""
    _each(recounting.due(), lambda row: recounting.recount(organization=row, now=now))
    return {}


def credit(now: datetime) -> Failures:
    """What was promised and not kept, what was resold, and given credit that has ended."""
    _each(crediting.due(now=now), lambda row: crediting.credit(lease=row, now=now))
    _each(reselling.due(now=now), lambda row: reselling.credit(hand_back=row, now=now))
    _each(granting.due(now=now), lambda row: operations.lapse(organization=row, now=now))
    _each(adjusting.overdue(now=now), lambda row: adjusting.expire(adjustment=row, now=now))
    return {}


def send(now: datetime) -> Failures:
    """Make the calls that wait."""
    return sending.send_due(gateway=payments.gateway(), now=now)


def settle(now: datetime) -> Failures:
    """Act on messages, and ask about what no message told of."""
    gateway = payments.gateway()
    found = dict(inbox.settle_due(gateway=gateway, now=now))
    for ask in (settlement.check_overdue, charging.check_overdue, cards.check_due, refunds.check_sent):
        found |= ask(gateway=gateway, now=now)
    return found


def poll(now: datetime) -> Failures:
    """Look through the processor's objects."""
    return polling.poll(gateway=payments.gateway(), now=now)


def bill(now: datetime) -> Failures:
    """Tell the meter, and read the processor's invoices."""
    gateway, found = payments.gateway(), dict[str, Exception]()
    found |= metered.prepare(gateway=gateway, now=now)
    _each(exporting.due(), lambda row: exporting.export(organization=row, now=now))
    for _ in range(1 + MeteredSubscription.objects.count() // 50):
        found |= card_invoices.look(gateway=gateway, now=now)
    _each(card_invoices.suspend_due(now=now), lambda row: card_invoices.suspend(organization=row, now=now))
    return found


def tie_out(now: datetime) -> Failures:
    """Compare what was charged with what the processor counted."""
    return tying_out.tie_out(gateway=payments.gateway(), now=now)


def reconcile(now: datetime) -> Failures:
    """Compare our ledger with the processor's movements."""
    return reconciling.reconcile(gateway=payments.gateway(), now=now)


def top_up(now: datetime) -> Failures:
    """Charge cards where wallets top up by themselves."""
    _each(topping_up.due(now=now), lambda row: topping_up.top_up(organization=row, now=now))
    return {}


def ladder(now: datetime) -> Failures:
    """Tell, pause and resume."""
    _each(standing.at_stake(), lambda row: standing.enforce(organization=row, now=now))
    _each(capping.at_stake(), lambda row: capping.enforce(organization=row, now=now))
    return {}


def close(now: datetime) -> Failures:
    """Issue the invoices of months that are over, and collect what is to be transferred."""
    for period in invoicing.past_months(now=now):
        with suppress(invoicing.PeriodNotReady):  # the next sweep looks again
            invoicing.close(period=period, now=now)
    invoicing.park_left_behind(now=now)
    _each(receivables.at_stake(), lambda row: receivables.collect(organization=row, now=now))
    return {}


Sweep = Callable[[datetime], Failures]
OFTEN: tuple[Sweep, ...] = (leases, meter, credit, send, settle, poll, bill, send, top_up, ladder, close)
COMPARING: tuple[Sweep, ...] = (recount, reconcile, tie_out)
SWEEPS = (*OFTEN, *COMPARING)


def _each(rows: Iterable[Any], act: Callable[[Any], object]) -> None:
    for row in rows:
        act(row)
