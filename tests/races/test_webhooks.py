"""Many workers send webhooks: each delivery is taken once, and who is slow holds up nobody else."""

from threading import Barrier
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models import QuerySet

from accounts.clock import now
from accounts.models import DeliveryState, Organization, WebhookDelivery
from accounts.tasks import deliver_webhooks
from accounts.webhooks import sending, spreading
from tests.accounts.hooks import an_endpoint, happened
from tests.accounts.receiver import receiving
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def taken(endpoint: int, workers: int) -> list[int]:
    """The deliveries that so many workers take at the same instant."""
    results = together(workers, lambda _: sending.take(endpoint=endpoint, now=now()))
    assert [result for result in results if isinstance(result, Exception)] == []
    return [result.pk for result in results if isinstance(result, WebhookDelivery)]


def test_a_delivery_is_taken_once_because_its_endpoint_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = an_endpoint(Organization.objects.create(name="Acme"), "https://hooks.example/", "lease.*")
    for number in range(6):
        happened(endpoint.organization, subject=f"ls_{number}")
    assert [
        result for result in together(4, lambda _: spreading.spread(now=now())) if isinstance(result, Exception)
    ] == []
    assert endpoint.deliveries.count() == 6
    with monkeypatch.context() as unguarded:
        both, save = Barrier(2, timeout=10), WebhookDelivery.save

        def meet(row: WebhookDelivery, **wanted: Any) -> None:
            both.wait()
            save(row, **wanted)

        unguarded.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)
        unguarded.setattr(WebhookDelivery, "save", meet)
        first, second = taken(endpoint.pk, 2)
    assert first == second
    found = taken(endpoint.pk, 8)
    assert len(found) == len(set(found)) == sending.AT_ONCE - 1


def test_who_is_slow_holds_up_nobody_else(settings: LazySettings) -> None:
    """The slow receiver answers only once the quick one has heard of everything."""
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    acme = Organization.objects.create(name="Acme")
    with receiving() as receiver:
        for path in ("slow", "ok"):
            an_endpoint(acme, receiver.url(path), "lease.*")
        for number in range(3):
            happened(acme, subject=f"ls_{number}")

        class Counting(list[Any]):
            def append(self, one: Any) -> None:
                super().append(one)
                if [path for path, _, _ in self].count("ok") == 3:
                    receiver.served.set()

        receiver.received = Counting()
        deliver_webhooks(anything="else")
        assert receiver.served.is_set()
    states = WebhookDelivery.objects.values_list("state", flat=True)
    assert set(states) == {DeliveryState.DELIVERED}
