"""A restart loses nothing: objects, keys, and webhooks that were not delivered."""

from pathlib import Path

from tests.standins.stripe.conftest import client_of, order, paid_charge
from tests.standins.stripe.receiver import receiving
from tests.stripe_standin import running, wait_for


def test_objects_and_idempotency_keys_outlive_the_process(tmp_path: Path) -> None:
    with running(tmp_path) as before:
        client = client_of(before)
        charge = paid_charge(before, client)
        customer = client.v1.customers.create({"email": "ada@example.com"}, {"idempotency_key": "once"})
        before.process.kill()
        before.process.wait()
    with running(tmp_path) as after:
        client = client_of(after)
        assert client.v1.charges.retrieve(charge).paid
        again = client.v1.customers.create({"email": "ada@example.com"}, {"idempotency_key": "once"})
        assert again.id == customer.id


def test_a_receiver_that_was_down_gets_its_events_after_a_restart(tmp_path: Path) -> None:
    with receiving() as gone:
        port = int(gone.url.split(":")[2].split("/")[0])
    with running(tmp_path, webhook_url=gone.url) as before:
        client_of(before).v1.customers.create()
        [delivery] = wait_for(lambda: [d for d in before.deliveries() if d["attempts"] >= 2])
        assert delivery["state"] == "pending" and "refused" in delivery["error"]
    with receiving(port=port) as back, running(tmp_path, webhook_url=back.url) as after:
        wait_for(lambda: back.received)
        wait_for(lambda: after.deliveries()[0]["state"] == "delivered")


def test_an_open_checkout_is_still_payable_on_the_same_port(tmp_path: Path) -> None:
    with running(tmp_path) as before:
        session = client_of(before).v1.checkout.sessions.create(order())
        port = int(before.url.rsplit(":", 1)[1])
    assert session.url is not None
    with running(tmp_path, port=port) as after:
        assert after.pay(session.url).status == 303
