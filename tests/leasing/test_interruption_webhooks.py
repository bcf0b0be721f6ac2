"""A tenant's own program hears that its lease will be interrupted, in time to save its work."""

import json

from django.conf import LazySettings

from accounts.clock import now
from accounts.models import Organization
from accounts.webhooks import sending, spreading
from leasing.provisioners.fake import World
from tests.accounts.hooks import with_secret
from tests.accounts.receiver import receiving, the_documented_check
from tests.factories import HOUR
from tests.leasing.conftest import active
from tests.leasing.interrupted import announced, surplus


def test_an_announced_interruption_is_told_to_the_tenants_program(
    acme: Organization, world: World, settings: LazySettings
) -> None:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    moment = now()
    with receiving() as receiver:
        _, secret = with_secret(acme, receiver.url(), "lease.interrupt_scheduled")
        lease = active(acme, surplus(), now=moment - HOUR, starts_at=moment - HOUR)
        row = announced(lease, now=now())
        spreading.spread(now=now())
        assert sending.send_due(now=now(), lanes=1) == 1
    ((_, headers, body),) = receiver.received
    the_documented_check()(secret, headers, body)
    told = json.loads(body)
    assert (told["type"], told["data"]["subject"]) == ("lease.interrupt_scheduled", lease.public_id)
    assert row.public_id in body.decode()
