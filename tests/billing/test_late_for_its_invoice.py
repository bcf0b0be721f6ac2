"""What the meter counts after its month was invoiced is on the next invoice, once, and nothing of it is forgotten."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Event, Organization
from billing import card_invoices, exporting, out_of_band, payments, retelling
from billing.models import CardInvoice, Export, ExportWay, GatewayCall, TieOut
from billing.payments.meters import EVENT_NAME
from billing.tying_out import compare_month, tie_out
from tests.billing.conftest import balance, funded
from tests.billing.monthly import APRIL, DAY, HOUR, MARCH, MAY, MICROS, charge, monthly, processor, sweep, to
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
EVENTS = "/v1/billing/meter_events"
MINUTE = timedelta(minutes=1)
LAST_HOUR = APRIL - 2 * HOUR  # of March that is told before March is over


@pytest.fixture
def acme(time: StripeStandin) -> Organization:
    """It has used $5.00 in March, which the meter has."""
    organization = monthly(funded(0), MARCH).organization
    charge(organization, 5 * MICROS, MARCH)
    sweep(to(time, MARCH + HOUR))
    return organization


def invoiced(time: StripeStandin, now: datetime) -> int:
    """The cents of the latest invoice."""
    assert card_invoices.look(gateway=payments.gateway(), now=to(time, now)) == {}
    return CardInvoice.objects.latest("period_end").total_cents


def tied_out(now: datetime) -> list[str]:
    """What differs, by span and day."""
    assert tie_out(gateway=payments.gateway(), now=now) == {}
    return [f"{row.span} {row.day}" for row in TieOut.objects.exclude(differs_since=None).order_by("pk")]


def missed() -> list[int]:
    """What was put on the next invoice as late."""
    rows = Export.objects.filter(way=ExportWay.MISSED).order_by("pk")
    return list(rows.values_list("value_micros", flat=True))


def dropped(row: Export) -> None:
    """The processor took an event, and does not count it after all."""
    cancel: Any = {"event_name": EVENT_NAME, "type": "cancel", "cancel": {"identifier": row.identifier}}
    processor().v1.billing.meter_event_adjustments.create(cancel)


def reported(row: Export, now: datetime) -> None:
    """It says so."""
    kind = {"code": "meter_event_invalid_value", "error_count": 1}
    kind["sample_errors"] = [{"error_message": "", "request": {"identifier": row.identifier}}]
    moment = now.isoformat().replace("+00:00", ".000Z")
    reason = {"error_count": 1, "error_types": [kind]}
    data = {"reason": reason, "validation_start": moment, "validation_end": moment}
    out_of_band.merge_report(facts={"data": data}, now=now)


def stuck(acme: Organization, time: StripeStandin) -> None:
    """$2.00 of the last hours of March are on their way to the processor, which does not answer."""
    charge(acme, 2 * MICROS, LAST_HOUR)
    time.faults(path=EVENTS, mode="503", times=99)
    sweep(to(time, LAST_HOUR + HOUR))


def test_a_month_is_not_settled_while_something_of_it_is_still_on_its_way(
    acme: Organization, time: StripeStandin
) -> None:
    stuck(acme, time)
    assert invoiced(time, APRIL + 2 * HOUR) == 500
    assert (tied_out(APRIL + 2 * HOUR), missed()) == ([], [])
    time.heal()
    sweep(to(time, APRIL + 3 * HOUR))  # counted in March, whose invoice is final and was compared
    for hours in (4, 5):
        assert tied_out(APRIL + hours * HOUR) == []
        sweep(to(time, APRIL + hours * HOUR))
    assert missed() == [2 * MICROS]
    assert (invoiced(time, MAY + 2 * HOUR), balance(acme)) == (200, 0)
    assert tied_out(MAY + 3 * HOUR) == []


def test_what_stays_on_its_way_is_told_to_staff_once(acme: Organization, time: StripeStandin) -> None:
    stuck(acme, time)
    invoiced(time, APRIL + 2 * HOUR)
    assert tied_out(APRIL + 2 * DAY - HOUR) == []
    for days in (3, 4):
        assert tied_out(APRIL + days * DAY) == ["day 2026-03-31", "month 2026-03-02"]
    events = Event.objects.filter(kind="metered.difference").order_by("pk")
    assert [event.data["span"] for event in events] == ["day", "month"]
    assert all(event.notice and "on its way" in event.notice["text"] for event in events)
    time.heal()
    GatewayCall.objects.filter(state="pending").update(next_attempt_at=APRIL)
    sweep(to(time, APRIL + 5 * DAY))
    assert tied_out(APRIL + 5 * DAY) == []
    last = Export.objects.latest("pk")
    assert (last.way, last.value_micros) == (ExportWay.ITEM, 2 * MICROS)  # the meter has no trace of it


def test_each_late_amount_is_billed_once(acme: Organization, time: StripeStandin) -> None:
    stuck(acme, time)
    invoiced(time, APRIL + 2 * HOUR)
    time.heal()
    invoice = CardInvoice.objects.latest("period_end")
    invoice.subtotal_cents += 20  # it differs for another reason, so it is compared again
    for hours, more in ((3, 0), (4, 3 * MICROS), (5, 0), (6, 0)):
        if more:
            charge(acme, more, LAST_HOUR)
            exporting.export(organization=acme, now=APRIL)  # by a sweep that waited for hours
        sweep(to(time, APRIL + hours * HOUR))
        row = compare_month(invoice=invoice, gateway=payments.gateway(), now=APRIL + hours * HOUR)
        assert row and row.differs_since
    assert missed() == [2 * MICROS, 3 * MICROS]


def test_what_the_meter_took_and_dropped_is_not_late_as_well(acme: Organization, time: StripeStandin) -> None:
    charge(acme, 2 * MICROS, LAST_HOUR)
    sweep(to(time, LAST_HOUR + HOUR))
    row = Export.objects.latest("pk")
    dropped(row)
    assert invoiced(time, APRIL + 2 * HOUR) == 500
    assert tied_out(APRIL + 2 * HOUR) == ["day 2026-03-31"]  # told, not counted, and not reported yet
    reported(row, APRIL + 3 * HOUR)
    tied_out(APRIL + 3 * HOUR)
    assert retelling.look(gateway=payments.gateway(), now=APRIL + 5 * HOUR) == {}
    sweep(to(time, APRIL + 5 * HOUR))
    assert (tied_out(APRIL + 6 * HOUR), missed()) == ([], [])
    sweep(to(time, APRIL + 6 * HOUR))
    assert (invoiced(time, MAY + 2 * HOUR), balance(acme)) == (200, 0)
