"""What the meter took and then did not count: found by its reports, read, and put on the next invoice, once."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Event, Organization
from billing import card_invoices, inbox, out_of_band, payments, polling, retelling
from billing.models import CardInvoice, Export, GatewayEvent, TieOut
from billing.payments.meters import EVENT_NAME
from billing.tying_out import tie_out
from tests.accounts.cast import a_browser
from tests.billing.conftest import balance, funded
from tests.billing.monthly import (
    APRIL,
    DAY,
    HOUR,
    MARCH,
    MICROS,
    charge,
    metered_micros,
    monthly,
    processor,
    sweep,
    to,
)
from tests.leasing.test_fleet_pages import a_member_of_staff
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def acme(time: StripeStandin) -> Organization:
    return monthly(funded(0), MARCH).organization


def ways() -> list[tuple[int, str, str]]:
    return list(Export.objects.order_by("pk").values_list("value_micros", "way", "state"))


def looked(now: datetime) -> int:
    """How many are in doubt after a look."""
    assert retelling.look(gateway=payments.gateway(), now=now) == {}
    return Export.objects.exclude(doubted_at=None).count()


def reported(now: datetime, *, count: int, named: list[str], code: str = "archived_meter") -> None:
    """A report, as the processor gives it."""
    samples = [{"error_message": "", "request": {"identifier": name}} for name in named]
    kind = {"code": code, "error_count": count, "sample_errors": samples}
    until = now.isoformat().replace("+00:00", ".000Z")
    reason = {"error_count": count, "error_types": [kind]}
    facts: dict[str, Any] = {"reason": reason, "validation_start": until, "validation_end": until}
    out_of_band.merge_report(facts={"data": facts}, now=now)


def differing() -> list[str]:
    """Organizations' days and months that do not tie out."""
    return [f"{row.span} {row.day}" for row in TieOut.objects.exclude(differs_since=None)]


def test_what_an_archived_meter_did_not_count_is_on_the_next_invoice_once(
    acme: Organization, time: StripeStandin
) -> None:
    client = processor()
    (meter,) = client.v1.billing.meters.list({"status": "active"}).data
    charge(acme, 5 * MICROS, MARCH)
    sweep(to(time, MARCH + HOUR))
    client.v1.billing.meters.deactivate(meter.id)
    charge(acme, 7 * MICROS, MARCH + HOUR)
    sweep(to(time, MARCH + 2 * HOUR))
    assert ways() == [(5 * MICROS, "event", "counted"), (7 * MICROS, "event", "counted")]  # so it was answered
    client.v1.billing.meters.reactivate(meter.id)
    assert metered_micros(acme, MARCH, APRIL) == 5 * MICROS
    for _ in range(2):  # no message came
        assert polling.poll(gateway=payments.gateway(), now=MARCH + 2 * HOUR) == {}
    (message,) = GatewayEvent.objects.filter(kind="meter_error", processed_at=None)
    assert message.object_reference == meter.id
    assert inbox.settle_due(gateway=payments.gateway(), now=MARCH + 2 * HOUR) == {}
    page = a_browser(a_member_of_staff("view_tieout")).get("/operations/metered/").content.decode()
    assert "What the meter may not have counted" in page and "$7.00" in page
    assert looked(MARCH + 2 * HOUR) == 1  # it may still be counted
    for hours in (3, 4):
        assert looked(MARCH + hours * HOUR) == 0
        sweep(to(time, MARCH + hours * HOUR))
    assert ways()[1:] == [(7 * MICROS, "event", "failed"), (7 * MICROS, "item", "counted")]
    (event,) = Event.objects.filter(kind="metered.told_again")
    assert event.data["item"] == f"{event.subject[:-1]}2"
    to(time, APRIL + 2 * HOUR)
    assert card_invoices.look(gateway=payments.gateway(), now=APRIL + 2 * HOUR) == {}
    assert tie_out(gateway=payments.gateway(), now=APRIL + 2 * HOUR) == {}
    assert (CardInvoice.objects.first().total_cents, balance(acme), differing()) == (1200, 0, [])  # type: ignore[union-attr]


def test_what_was_counted_after_all_is_not_told_again(acme: Organization, time: StripeStandin) -> None:
    charge(acme, 5 * MICROS, MARCH)
    sweep(to(time, MARCH + HOUR))
    row = Export.objects.get()
    reported(MARCH + HOUR, count=1, named=[row.identifier], code="meter_event_invalid_value")
    assert looked(MARCH + 3 * HOUR) == 0
    assert ways() == [(5 * MICROS, "event", "counted")]
    titles = [event.words for event in Event.objects.filter(kind="metered.not_counted")]
    assert titles == ["The card processor's meter did not count"]


@pytest.mark.parametrize(("lost", "left"), [((True, True), 0), ((True, False), 2)])
def test_a_report_that_does_not_name_all_puts_all_of_its_time_in_doubt(
    acme: Organization, time: StripeStandin, lost: tuple[bool, bool], left: int
) -> None:
    charge(acme, 5 * MICROS, MARCH)
    sweep(to(time, MARCH + HOUR))
    charge(acme, 7 * MICROS, MARCH + SECOND)  # of the same hour, told later: the same minute of the meter
    sweep(to(time, MARCH + HOUR + 3 * SECOND))
    for row, gone in zip(Export.objects.order_by("pk"), lost, strict=True):
        cancel: Any = {"event_name": EVENT_NAME, "type": "cancel", "cancel": {"identifier": row.identifier}}
        if gone:
            processor().v1.billing.meter_event_adjustments.create(cancel)
    reported(MARCH + HOUR, count=2, named=[Export.objects.earliest("pk").identifier])
    assert looked(MARCH + 3 * HOUR) == left  # one of two: nobody can tell which, so nothing is told again
    assert [state for _, _, state in ways()][:2] == (["counted"] * 2 if left else ["failed"] * 2)
    if left:
        tie_out(gateway=payments.gateway(), now=MARCH + DAY)
        assert differing() == ["day 2026-03-02"]
        found = Export.objects.order_by("pk")[0]  # somebody puts it right there
        event: Any = {"stripe_customer_id": acme.billing_account.customer_reference, "value": f"{found.value_micros}"}
        again: Any = {"event_name": EVENT_NAME, "payload": event, "timestamp": int(found.at.timestamp())}
        processor().v1.billing.meter_events.create(again)
        tie_out(gateway=payments.gateway(), now=MARCH + DAY)
        assert (differing(), looked(MARCH + DAY)) == ([], 0)


@pytest.mark.parametrize("guarded", [False, True])
def test_what_is_counted_while_the_meter_is_read_makes_nothing_look_lost(
    acme: Organization,
    time: StripeStandin,
    guarded: bool,  # noqa: FBT001
) -> None:
    real = payments.gateway()
    charge(acme, 5 * MICROS, MARCH)
    sweep(to(time, MARCH + HOUR))
    name = Export.objects.get().identifier
    reported(MARCH + HOUR, count=1, named=[name], code="meter_event_invalid_value")

    class Meanwhile:
        """The processor, whose answer is on its way while another event of the same minute is counted."""

        def each(self, path: str, **params: Any) -> Iterator[Any]:
            found = list(real.each(path, **params))
            charge(acme, 5 * MICROS, MARCH + SECOND)
            sweep(to(time, MARCH + 3 * HOUR))
            return iter(found)

    if not guarded:  # what was read, beside the rows as they are by now
        counted = metered_micros(acme, MARCH, APRIL)
        list(Meanwhile().each("/v1/prices"))
        retelling._compare(retelling._told(acme, Export.objects.earliest("pk").at), counted, MARCH + 3 * HOUR)
        assert len(ways()) == 3  # the same money twice
        return
    assert retelling.look(gateway=Meanwhile(), now=MARCH + 3 * HOUR) == {}  # type: ignore[arg-type]
    assert ways() == [(5 * MICROS, "event", "counted")] * 2
    assert looked(MARCH + 4 * HOUR) == 0
