"""Stripe behind our own words. The only module that imports the SDK; against the stand-in and Stripe alike."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal

import stripe

from billing.payments.base import (
    BadSignature,
    Call,
    CheckoutPage,
    CheckoutState,
    Facts,
    GatewayBroke,
    GatewayRefused,
    GatewayUnavailable,
    RefundState,
    WebhookEvent,
)

API_VERSION: Final = "2026-10-28.endive"
CURRENCY: Final = "usd"
TOLERANCE_SECONDS: Final = 300
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_RETRIES = 2
PAGE: Final = 100  # the most that Stripe gives at once
_KINDS: dict[str, Literal["checkout", "refund", "invoice"]] = {
    "checkout.session": "checkout",
    "refund": "refund",
    "invoice": "invoice",
}


class StripeGateway:
    """The Gateway on Stripe. `api_base` is None for Stripe itself, else the stand-in's address."""

    def __init__(self, *, api_key: str, webhook_secret: str, api_base: str | None) -> None:
        self._webhook_secret = webhook_secret
        self._livemode = api_key.startswith(("sk_live_", "rk_live_"))
        self._client = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=_RETRIES,
            http_client=stripe.RequestsClient(timeout=(_CONNECT_SECONDS, _READ_SECONDS)),
        )

    def send(self, call: Call, *, key: str) -> Facts:
        """See Gateway."""
        with _our_errors():
            return self._ask("post", call.path, **call.body, idempotency_key=key)

    def fetch(self, path: str, **params: Any) -> Facts:
        """See Gateway."""
        with _our_errors():
            return self._ask("get", path, **params)

    def each(self, path: str, **params: Any) -> Iterator[Facts]:
        """See Gateway."""
        more, after = True, dict[str, str]()
        while more:
            page = self.fetch(path, limit=PAGE, **params, **after)
            yield from page["data"]
            more = page["has_more"]
            after = {"starting_after": page["data"][-1]["id"]} if more else {}

    def _ask(self, method: str, path: str, **params: Any) -> Facts:
        found: Facts = self._client.raw_request(method, path, **params).data
        if found.get("livemode", self._livemode) != self._livemode:
            raise GatewayUnavailable(f"{path} answers in the other mode (live or test)")
        return found

    def open_checkout(
        self,
        *,
        payment_id: str,
        amount_cents: int,
        organization_id: str,
        customer_email: str,
        success_url: str,
        cancel_url: str,
    ) -> CheckoutPage:
        """See Gateway. A payment is tried once: its parameters must be the same whenever it is asked for again."""
        metadata = {"payment_id": payment_id, "organization_id": organization_id}
        with _our_errors():
            try:
                session = self._client.v1.checkout.sessions.create(
                    {
                        "mode": "payment",
                        "allowed_payment_method_types": ["card"],
                        "line_items": [
                            {
                                "quantity": 1,
                                "price_data": {
                                    "currency": CURRENCY,
                                    "unit_amount": amount_cents,
                                    "product_data": {"name": "Gridlease wallet top-up"},
                                },
                            }
                        ],
                        "client_reference_id": payment_id,
                        "customer_email": customer_email,
                        "success_url": success_url,
                        "cancel_url": cancel_url,
                        "metadata": metadata,
                        "payment_intent_data": {"metadata": metadata},
                    },
                    {"idempotency_key": payment_id},
                )
            except stripe.APIError:
                found = self._find_open_session(payment_id, customer_email)
                if found is None:
                    raise
                session = found
        if session.url is None:
            raise GatewayRefused("checkout_ended", "This checkout was already paid or has expired. Start a new one.")
        return CheckoutPage(session.id, session.url, _time(session.expires_at))

    def _find_open_session(self, payment_id: str, customer_email: str) -> stripe.checkout.Session | None:
        """Stripe replays a 500 to every retry with its key, although the session may have been made."""
        sessions = self._client.v1.checkout.sessions.list(
            {"customer_details": {"email": customer_email}, "status": "open", "limit": 100}
        )
        made = (session for session in sessions.auto_paging_iter() if _metadata(session, "payment_id") == payment_id)
        return next(made, None)

    def checkout(self, reference: str) -> CheckoutState:
        """See Gateway."""
        with _our_errors():
            session = self._client.v1.checkout.sessions.retrieve(reference, {"expand": ["payment_intent"]})
        intent = session.payment_intent
        charge = intent.latest_charge if isinstance(intent, stripe.PaymentIntent) else None
        paid = session.status == "complete" and session.payment_status == "paid"
        return CheckoutState(
            reference=session.id,
            payment_id=_metadata(session, "payment_id") or "",
            status="paid" if paid else "expired" if session.status == "expired" else "open",
            amount_cents=session.amount_total or 0,
            currency=session.currency or "",
            # A declined try leaves a charge as well, which is of no use to anybody.
            charge_reference=str(charge) if paid and charge else None,
            livemode=session.livemode,
        )

    def refund(self, *, refund_id: str, charge_reference: str, amount_cents: int) -> RefundState:
        """See Gateway. After a server error it looks whether the refund was made before it says that it was not."""
        with _our_errors():
            try:
                made = self._client.v1.refunds.create(
                    {"charge": charge_reference, "amount": amount_cents, "metadata": {"refund_id": refund_id}},
                    {"idempotency_key": refund_id},
                )
            except stripe.APIError:
                found = self.find_refund(refund_id, charge_reference)
                if found is None:
                    raise
                return found
        return _refund_state(made)

    def refund_state(self, reference: str) -> RefundState:
        """See Gateway."""
        with _our_errors():
            return _refund_state(self._client.v1.refunds.retrieve(reference))

    def find_refund(self, refund_id: str, charge_reference: str) -> RefundState | None:
        """See Gateway."""
        with _our_errors():
            refunds = self._client.v1.refunds.list({"charge": charge_reference, "limit": 100})
            for refund in refunds.auto_paging_iter():
                if _metadata(refund, "refund_id") == refund_id:
                    return _refund_state(refund)
        return None

    def verify_webhook(self, payload: bytes, signature: str, now: datetime) -> WebhookEvent:
        """See Gateway. The SDK's own check lets times in the future pass, so the time is checked here."""
        try:
            stripe.WebhookSignature.verify_header(payload, signature, self._webhook_secret, tolerance=None)
            signed_at = next(int(item[2:]) for item in signature.split(",") if item.startswith("t="))
            event = json.loads(payload)
            found = _webhook_event(event)
        except stripe.SignatureVerificationError as forged:
            raise BadSignature("no signature of ours matches") from forged
        except (ValueError, TypeError, KeyError, AttributeError) as garbled:
            raise BadSignature("not an event") from garbled
        if abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
            raise BadSignature(f"signed more than {TOLERANCE_SECONDS} s away from now")
        if found.livemode != self._livemode:
            raise BadSignature("an event of the other mode (live or test)")
        return found


@contextmanager
def _our_errors() -> Iterator[None]:
    """
    Stripe's exceptions as ours: the network, rate limits, a key in use and server errors pass; so does an API key that
    is not taken, which says nothing about the payment. All else is final.
    """
    try:
        yield
    except stripe.APIError as broke:
        raise GatewayBroke(str(broke)) from broke
    except (
        stripe.APIConnectionError,
        stripe.RateLimitError,
        stripe.AuthenticationError,
        stripe.PermissionError,
    ) as passing:
        raise GatewayUnavailable(str(passing)) from passing
    except stripe.StripeError as final:
        code = final.code or getattr(final.error, "type", None) or type(final).__name__
        raise GatewayRefused(code, final.user_message or "The payment provider refused without a reason.") from final


def _refund_state(refund: stripe.Refund) -> RefundState:
    status: Literal["pending", "succeeded", "failed"] = "pending"
    if refund.status == "succeeded":
        status = "succeeded"
    elif refund.status in ("failed", "canceled"):
        status = "failed"
    reason = getattr(refund, "failure_reason", None) or (refund.status or "")
    return RefundState(refund.id, status, reason if status == "failed" else "")


def _metadata(item: stripe.checkout.Session | stripe.Refund, key: str) -> str | None:
    value: str | None = getattr(item.metadata, key, None)
    return value


def _webhook_event(event: dict[str, Any]) -> WebhookEvent:
    item = event["data"]["object"]
    metadata = item.get("metadata") or {}
    return WebhookEvent(
        id=event["id"],
        kind=_KINDS.get(item["object"], "other"),
        object_reference=item.get("id", ""),
        payment_id=metadata.get("payment_id"),
        livemode=event["livemode"],
        created=_time(event["created"]),
        refund_id=metadata.get("refund_id"),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
