"""Every movement of money has a balance transaction with fee and net; refunds and disputes take it back."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.standins.stripe.conftest import events, fails
from tests.stripe_standin import StripeStandin


def pay(client: stripe.StripeClient, card: str = "pm_card_visa", cents: int = 10_000) -> str:
    wanted: Any = {"amount": cents, "currency": "usd", "payment_method": card, "confirm": True}
    return str(client.v1.payment_intents.create(wanted).latest_charge)


def movements(client: stripe.StripeClient, source: str) -> list[tuple[str, int, int, int]]:
    found = client.v1.balance_transactions.list({"source": source}).data
    return [(item.type, item.amount, item.fee, item.net) for item in reversed(found)]


def balance(client: stripe.StripeClient) -> int:
    found: Any = client.v1.balance.retrieve()
    return sum(part.amount for part in [*found.available, *found.pending])


@pytest.fixture
def unchanged(client: stripe.StripeClient) -> Iterator[None]:
    """What the balance lost or won is what its transactions say."""
    yield
    entries = client.v1.balance_transactions.list({"limit": 2}).auto_paging_iter()
    assert sum(entry.net for entry in entries) == balance(client)


pytestmark = pytest.mark.usefixtures("unchanged")


def test_a_charge_costs_a_fee_and_is_available_two_days_later(
    standin: StripeStandin, client: stripe.StripeClient
) -> None:
    paid = pay(client)
    charge = client.v1.charges.retrieve(paid, {"expand": ["balance_transaction"]})
    entry = charge.balance_transaction
    assert isinstance(entry, stripe.BalanceTransaction)
    assert (entry.amount, entry.fee, entry.net, entry.status) == (10_000, 320, 9_680, "pending")
    assert movements(client, paid) == [("charge", 10_000, 320, 9_680)]
    standin.clock(entry.available_on)
    assert client.v1.balance_transactions.retrieve(entry.id).status == "available"
    standin.clock(None)
    assert client.v1.balance_transactions.list({"type": "charge", "created": {"lt": 5}}).data == []


def test_a_refund_gives_back_all_but_the_fee(client: stripe.StripeClient) -> None:
    paid, before = pay(client), balance(client)
    refund = client.v1.refunds.create({"charge": paid, "amount": 4_000})
    assert movements(client, refund.id) == [("refund", -4_000, 0, -4_000)] and balance(client) == before - 4_000
    changed = client.v1.refunds.update(refund.id, {"metadata": {"why": "late"}})
    assert changed.metadata is not None and changed.metadata["why"] == "late"
    charge = client.v1.charges.retrieve(paid)
    assert charge.refunds is not None and [item.id for item in charge.refunds.data] == [refund.id]


def test_a_failed_refund_comes_back_to_the_balance(standin: StripeStandin, client: stripe.StripeClient) -> None:
    refund = client.v1.refunds.create({"charge": pay(client, "pm_card_refundFail")})
    standin.settle()
    assert [entry[:2] for entry in movements(client, refund.id)] == [("refund", -10_000), ("refund_failure", 10_000)]
    assert events(client, refund.id) == ["refund.created", "refund.failed"]
    pending = client.v1.refunds.create({"charge": pay(client, "pm_card_pendingRefund")})
    assert pending.status == "pending"
    standin.settle()
    assert client.v1.refunds.retrieve(pending.id).status == "succeeded"


@pytest.mark.parametrize(
    ("evidence", "status", "lost"),
    [("winning_evidence", "won", 1_500), ("losing_evidence", "lost", 11_500), ("a letter", "under_review", 11_500)],
)
def test_a_dispute_takes_the_money_and_a_fee_until_it_is_won(
    client: stripe.StripeClient, evidence: str, status: str, lost: int
) -> None:
    paid = pay(client, "pm_card_createDispute")
    [dispute] = client.v1.disputes.list({"charge": paid}).data
    assert (dispute.status, dispute.reason, len(dispute.balance_transactions)) == ("needs_response", "fraudulent", 1)
    assert client.v1.charges.retrieve(paid).disputed
    with fails(stripe.InvalidRequestError, "charge_disputed"):
        client.v1.refunds.create({"charge": paid})
    ended = client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})
    assert ended.status == status
    assert sum(entry.net for entry in ended.balance_transactions) == -lost
    told = events(client, dispute.id)
    assert told[:3] == ["charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.updated"]
    assert (
        told[3:] == ["charge.dispute.closed", "charge.dispute.funds_reinstated"][: {"won": 2, "lost": 1}.get(status, 0)]
    )


def test_a_dispute_is_accepted_or_runs_out_of_time_or_is_decided_by_the_bank(
    standin: StripeStandin, client: stripe.StripeClient
) -> None:
    accepted = standin.dispute(pay(client))
    assert client.v1.disputes.close(accepted["id"]).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        client.v1.disputes.close(accepted["id"])
    forgotten, decided = standin.dispute(pay(client), "product_not_received"), standin.dispute(pay(client))
    standin.end_dispute(decided["id"], "won")
    standin.clock(forgotten["evidence_details"]["due_by"])
    found = client.v1.disputes.retrieve(forgotten["id"])
    assert (found.status, found.evidence_details.past_due) == ("lost", True)
    assert client.v1.disputes.retrieve(decided["id"]).status == "won"
    standin.clock(None)


def test_an_inquiry_and_a_warning_take_nothing(client: stripe.StripeClient) -> None:
    asked = pay(client, "pm_card_createDisputeInquiry")
    [inquiry] = client.v1.disputes.list({"charge": asked}).data
    assert (inquiry.status, inquiry.balance_transactions) == ("warning_needs_response", [])
    assert client.v1.disputes.close(inquiry.id).status == "warning_closed"
    suspected = pay(client, "pm_card_createIssuerFraudRecord")
    [warning] = client.v1.radar.early_fraud_warnings.list({"charge": suspected}).data
    assert warning.actionable and not client.v1.charges.retrieve(suspected).disputed
