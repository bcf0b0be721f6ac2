"""What a meter could not count is told later: a thin event, whose data are asked for."""

import json
from typing import Any

import pytest
import stripe
from stripe.events import V1BillingMeterErrorReportTriggeredEvent, V1BillingMeterErrorReportTriggeredEventNotification

from tests.standins.stripe.lives import FEBRUARY, HOUR, JANUARY, Life
from tests.standins.stripe.receiver import receiving
from tests.stripe_standin import SECRET, StripeStandin, wait_for


@pytest.mark.parametrize("code", ["archived_meter", "meter_event_customer_not_found"])
def test_an_event_that_is_not_counted_is_taken_and_reported(
    standin: StripeStandin, client: stripe.StripeClient, life: Life, code: str
) -> None:
    payload: Any = {"stripe_customer_id": life.customer, "value": "7"}
    if code == "archived_meter":
        client.v1.billing.meters.deactivate(life.meter)
    else:
        payload["stripe_customer_id"] = client.v1.customers.create().id
        client.v1.customers.delete(payload["stripe_customer_id"])
    event: Any = {"event_name": "compute_usd_micros", "payload": payload, "identifier": f"{code}:1"}
    with receiving() as receiver:
        standin.webhook(receiver.url)
        client.v1.billing.meter_events.create(event)
        wait_for(lambda: any(b"error_report" in body for _, body in receiver.received))
        standin.webhook(None)
    signature, body = next(each for each in receiver.received if b"error_report" in each[1])
    assert "data" not in json.loads(body)
    notice = client.parse_event_notification(body, signature, SECRET)
    assert isinstance(notice, V1BillingMeterErrorReportTriggeredEventNotification)
    full = notice.fetch_event()
    assert isinstance(full, V1BillingMeterErrorReportTriggeredEvent)
    (kind,) = full.data.reason.error_types
    assert (kind.code, kind.sample_errors[0].request.identifier) == (code, f"{code}:1")
    newest = list(client.v2.core.events.list({"object_id": life.meter, "limit": 1}).auto_paging_iter())
    assert newest[0].id == full.id and len({event.id for event in newest}) == len(newest)
    client.v1.billing.meters.reactivate(life.meter)
    assert life.used(JANUARY, FEBRUARY + HOUR) == [0]
