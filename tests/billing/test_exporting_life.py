"""Any life of an organization that pays by the month, with faults on the way, ends in the same sums."""

import random
from datetime import datetime, timedelta

import pytest

from accounts.models import Organization
from billing import card_invoices, exporting, payments, sending
from billing.models import (
    Export,
    ExportState,
    ExportWay,
    MeteredSubscription,
    TieOut,
)
from billing.tying_out import tie_out
from marketplace.models import Offer
from tests.billing.conftest import a_quote, balance, funded, place
from tests.billing.monthly import DAY, HOUR, MARCH, MAY, at, charge, invoices, metered_micros, monthly, sweep, to
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
MODES = ("apply_then_500", "apply_then_close", "429", "503", "500", "close", "never_emit")


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_each_cent_is_invoiced_once(stripe: StripeStandin, offer: Offer, seed: int) -> None:
    dice = random.Random(seed)
    with at(stripe, MARCH):
        acme = monthly(funded(0), MARCH).organization
        lease = place(a_quote(acme, offer, now=MARCH), now=MARCH)
        moment, charged = MARCH, 0
        for _ in range(12):
            for _ in range(dice.randint(0, 4)):
                micros = dice.choice([1, 7, 999_999, 1_250_003, -3, -500_000])
                charge(
                    acme,
                    micros,
                    moment + dice.randint(0, 3600) * timedelta(seconds=1),
                    lease=dice.choice([lease, None]),
                )
                charged += micros
            if dice.random() < 0.5:
                stripe.faults(path="/v1/billing/meter_events", mode=dice.choice(MODES), times=dice.randint(1, 3))
            if dice.random() < 0.2:
                stripe.forget_keys()
            moment += dice.choice([HOUR, HOUR, 5 * HOUR, 30 * HOUR])
            _swept(stripe, dice, acme, moment)
        stripe.heal()
        for day in range(6):  # what is uncertain needs a day to be certain
            _swept(stripe, dice, acme, moment + day * DAY)
        for month in (MARCH + 31 * DAY, MAY, MAY + 31 * DAY):
            stands = to(stripe, month.replace(day=1, hour=3))
            card_invoices.look(gateway=payments.gateway(), now=stands)
            tie_out(gateway=payments.gateway(), now=stands)
            sweep(stands)
        _check(acme, charged, MAY + 32 * DAY)


def _swept(stripe: StripeStandin, dice: random.Random, acme: Organization, moment: datetime) -> None:
    """Sweeps of any number, whose calls are made between them or later."""
    to(stripe, moment)
    for _ in range(dice.randint(1, 3)):
        exporting.export(organization=acme, now=moment)
        if dice.random() < 0.7:
            sending.send_due(gateway=payments.gateway(), now=moment)
    sweep(moment + timedelta(minutes=45))


def _check(acme: Organization, charged: int, now: datetime) -> None:
    carry = MeteredSubscription.objects.get(organization=acme).carry_micros
    there = Export.objects.filter(organization=acme, state=ExportState.COUNTED)
    told = sum(row.value_micros for row in there if row.way != ExportWay.MISSED)
    assert not Export.objects.filter(state=ExportState.PENDING).exists()
    assert told + carry == charged
    events = sum(row.value_micros for row in there if row.way == ExportWay.EVENT)
    assert metered_micros(acme, MARCH - DAY, now.replace(second=0)) == events
    lines = [line for invoice in invoices(acme) for line in invoice.lines.data]
    assert sum(int(line.quantity_decimal) for line in lines) == told
    paid = sum(invoice.amount_paid for invoice in invoices(acme))
    assert balance(acme) == paid * 10_000 - charged
    assert abs(paid * 10_000 - told) <= 10_000 * len(lines) + 500_000  # rounding, and less than is ever charged
    assert not TieOut.objects.exclude(differs_since=None).exists()
