"""Disputes and early fraud warnings: the cardholder's bank takes the money back until somebody has won.

Evidence decides, as in Stripe's test mode: its `uncategorized_text` is winning_evidence or losing_evidence.
"""

from standins.stripe import balance
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import FIXTURES, merged
from standins.stripe.store import JSON

_ANSWER_WITHIN_SECONDS = 9 * 24 * 3600
_OPEN = ("needs_response", "warning_needs_response")
_VERDICTS = {"winning_evidence": "won", "losing_evidence": "lost"}
REASONS = ("fraudulent", "product_not_received", "duplicate", "subscription_canceled", "unrecognized", "general")


def arise(world: World, charge: JSON, reason: str) -> JSON:
    """The owner of the card disputes the charge; "inquiry" asks first, "warning" only tells of a suspicion."""
    if reason == "warning":
        return world.create(
            "radar.early_fraud_warning",
            "radar.early_fraud_warning.created",
            actionable=True,
            charge=charge["id"],
            fraud_type="made_with_stolen_card",
            payment_intent=charge["payment_intent"],
        )
    asks_first = reason == "inquiry"
    card = charge["payment_method_details"]["card"]
    case = {"brand": card["brand"], "case_type": "inquiry" if asks_first else "chargeback"}
    dispute = world.create(
        "dispute",
        amount=charge["amount"],
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence=FIXTURES["dispute"]["evidence"],
        evidence_details=_details(world),
        is_charge_refundable=asks_first,
        payment_intent=charge["payment_intent"],
        payment_method_details={"type": "card", "card": {**case, "network": "visa", "network_reason_code": "10.4"}},
        reason="general" if asks_first else reason,
        status="warning_needs_response" if asks_first else "needs_response",
    )
    world.schedule(dispute, charge["customer"])
    world.change(charge, disputed=True)
    world.emit("charge.dispute.created", dispute)
    return dispute if asks_first else _withdraw(world, dispute)


def _details(world: World) -> JSON:
    due_by = world.now + _ANSWER_WITHIN_SECONDS
    return {**FIXTURES["dispute"]["evidence_details"], "due_by": due_by, "submission_method": "not_submitted"}


def _withdraw(world: World, dispute: JSON) -> JSON:
    _move(world, dispute, -dispute["amount"], balance.DISPUTE_FEE_CENTS, "dispute")
    world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _move(world: World, dispute: JSON, amount: int, fee: int, category: str) -> None:
    reference = balance.record(world, "adjustment", dispute, amount, fee=fee, category=category)
    movement = world.get("balance_transaction", reference)
    dispute["balance_transactions"] = [*dispute["balance_transactions"], movement]
    world.put(dispute)


def open_by_hand(world: World, charge: str, reason: str) -> JSON:
    """A dispute of any paid charge, for tests: cardholders take weeks. Raises ApiError 400 or 404."""
    found = world.get("charge", charge, "charge")
    if reason not in (*REASONS, "inquiry", "warning"):
        raise ApiError(400, f"reason must be one of {', '.join(REASONS)}, inquiry, warning.", param="reason")
    if not found["paid"] or found["disputed"]:
        raise ApiError(400, "Only a charge that was paid and is not disputed can be disputed.", param="charge")
    return arise(world.of(found["customer"]), found, reason)


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/disputes/{id}: evidence is submitted unless `submit` is false."""
    dispute = world.get("dispute", reference)
    world = _world_of(world, dispute)
    given = params.get("evidence") or {}
    if given and dispute["status"] not in _OPEN:
        raise ApiError(400, "This dispute is already closed")
    members: JSON = {
        "metadata": merged(dispute["metadata"], params.get("metadata")),
        "evidence": {**dispute["evidence"], **given},
    }
    details = {
        **dispute["evidence_details"],
        "has_evidence": bool(given) or dispute["evidence_details"]["has_evidence"],
    }
    if given and params.get("submit", True):
        details["submission_count"] += 1
        members["status"] = "warning_under_review" if dispute["status"].startswith("warning") else "under_review"
    world.change(dispute, "charge.dispute.updated", evidence_details=details, **members)
    verdict = _VERDICTS.get(str(dispute["evidence"]["uncategorized_text"]))
    if dispute["status"] == "under_review" and verdict:
        end(world, dispute, verdict)
    return dispute


def close(world: World, _: JSON, reference: str) -> JSON:
    """POST /v1/disputes/{id}/close: the dispute is accepted, and lost."""
    dispute = world.get("dispute", reference)
    if dispute["status"] not in _OPEN:
        raise ApiError(400, "This dispute is already closed")
    return end(_world_of(world, dispute), dispute, "lost")


def decide(world: World, reference: str, verdict: str) -> JSON:
    """The bank's word on an open dispute, for tests: banks take months. Raises ApiError 400 or 404."""
    dispute = world.get("dispute", reference)
    if dispute["status"] not in (*_OPEN, "under_review", "warning_under_review"):
        raise ApiError(400, "This dispute is already closed")
    return end(_world_of(world, dispute), dispute, verdict)


def end(world: World, dispute: JSON, verdict: str) -> JSON:
    """The bank decides: won, lost, or warning_closed for an inquiry that nobody pursued."""
    if dispute["status"].startswith("warning"):
        verdict = "warning_closed"
    members = {"evidence_details": {**dispute["evidence_details"], "past_due": _past_due(world, dispute)}}
    world.change(dispute, "charge.dispute.closed", status=verdict, is_charge_refundable=False, **members)
    if verdict == "won":
        _move(world, dispute, dispute["amount"], 0, "dispute_reversal")
        world.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def _past_due(world: World, dispute: JSON) -> bool:
    return bool(world.now >= dispute["evidence_details"]["due_by"])


def _world_of(world: World, dispute: JSON) -> World:
    return world.of(world.get("charge", dispute["charge"])["customer"])
