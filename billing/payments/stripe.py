"""Stripe behind our own words. The only module that imports the SDK; against the stand-in and Stripe alike."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

import stripe
from celery.exceptions import SoftTimeLimitExceeded

from billing.payments.base import (
    BRIEF_SECONDS,
    BadSignature,
    Call,
    Facts,
    Gateway,
    GatewayBroke,
    GatewayRefused,
    GatewaySilent,
    GatewayUnavailable,
    KeyRefused,
    ObjectKind,
    PermissionRefused,
    WebhookEvent,
)
from billing.payments.meters import REPORT_TYPES

API_VERSION: Final = "2026-10-28.endive"
TOLERANCE_SECONDS: Final = 300
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_RETRIES = 2
_BRIEF_CONNECT_SECONDS, _BRIEF_READ_SECONDS = 2.0, 8.0  # once: whoever waits asks again, and so do the workers
PAGE: Final = 100  # the most that Stripe gives at once
_KINDS = {
    "checkout.session": ObjectKind.CHECKOUT,
    "payment_intent": ObjectKind.PAYMENT_INTENT,
    "payment_method": ObjectKind.CARD,
    "setup_intent": ObjectKind.SETUP_INTENT,
    "refund": ObjectKind.REFUND,
    "dispute": ObjectKind.DISPUTE,
    "radar.early_fraud_warning": ObjectKind.FRAUD_WARNING,
    "invoice": ObjectKind.INVOICE,
    "subscription": ObjectKind.SUBSCRIPTION,
    **dict.fromkeys(REPORT_TYPES, ObjectKind.METER_ERROR),
}


class StripeGateway:
    """The Gateway on Stripe. `api_base` is None for Stripe itself, else the stand-in's address."""

    def __init__(self, *, api_key: str, webhook_secret: str, api_base: str | None) -> None:
        self._webhook_secrets = [secret.strip() for secret in webhook_secret.split(",")]
        self._livemode = api_key.startswith(("sk_live_", "rk_live_"))
        self._client = _client(api_key, api_base, (_CONNECT_SECONDS, _READ_SECONDS), _RETRIES)
        self._brief = _client(api_key, api_base, (_BRIEF_CONNECT_SECONDS, _BRIEF_READ_SECONDS), retries=0)
        self._begins_until = math.inf
        self.accepted = 0

    def brief(self) -> Gateway:
        """See Gateway. No call begins that could last for longer."""
        brief = copy(self)
        brief._client = self._brief
        brief._begins_until = time.monotonic() + BRIEF_SECONDS - _BRIEF_CONNECT_SECONDS - _BRIEF_READ_SECONDS
        return brief

    def check_time(self) -> None:
        """See Gateway."""
        if time.monotonic() > self._begins_until:
            raise GatewayUnavailable("nothing more is asked: whoever waits has waited for long")

    def send(self, call: Call, *, key: str) -> Facts:
        """See Gateway."""
        with _our_errors():
            return self._ask(call.method, call.path, **call.body, idempotency_key=key)

    def fetch(self, path: str, **params: Any) -> Facts:
        """See Gateway."""
        with _our_errors():
            return self._ask("get", path, **params)

    def each(self, path: str, **params: Any) -> Iterator[Facts]:
        """See Gateway. Newer lists say themselves where they go on."""
        page = self.fetch(path, limit=PAGE, **params)
        yield from page["data"]
        while page.get("has_more") or page.get("next_page_url"):
            if page.get("next_page_url"):
                page = self.fetch(page["next_page_url"])
            else:
                page = self.fetch(path, limit=PAGE, **params, starting_after=page["data"][-1]["id"])
            yield from page["data"]

    def _ask(self, method: str, path: str, **params: Any) -> Facts:
        self.check_time()
        answer = self._client.raw_request(method, path, **params)
        self.accepted += 1
        spoken = answer.headers.get("stripe-version", API_VERSION)
        if spoken != API_VERSION:
            raise GatewayUnavailable(f"{path} answers in version {spoken} instead of {API_VERSION}")
        found: Facts = answer.data
        if found.get("livemode", self._livemode) != self._livemode:
            raise GatewayUnavailable(f"{path} answers in the other mode (live or test)")
        return found

    @cached_property
    def _account(self) -> str:
        return str(self.brief().fetch("/v1/account")["id"])

    def account(self) -> str:
        """See Gateway."""
        return self._account

    def verify_webhook(self, payload: bytes, signature: str, now: datetime) -> WebhookEvent:
        """See Gateway. The SDK's own check lets times in the future pass, so the time is checked here."""
        try:
            self._verify(payload, signature)
            signed_at = next(int(item[2:]) for item in signature.split(",") if item.startswith("t="))
            found = self.read_event(json.loads(payload))
        except stripe.SignatureVerificationError as forged:
            raise BadSignature("no signature of ours matches") from forged
        except (ValueError, TypeError, KeyError, AttributeError) as garbled:
            raise BadSignature("not an event") from garbled
        if abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
            raise BadSignature(f"signed more than {TOLERANCE_SECONDS} s away from now")
        if found.livemode != self._livemode:
            raise BadSignature("an event of the other mode (live or test)")
        return found

    def _verify(self, payload: bytes, signature: str) -> None:
        """One endpoint is sent events with their objects, another those that come without: each has its secret."""
        for secret in self._webhook_secrets[:-1]:
            try:
                stripe.WebhookSignature.verify_header(payload, signature, secret, tolerance=None)
            except stripe.SignatureVerificationError:
                continue
            return
        stripe.WebhookSignature.verify_header(payload, signature, self._webhook_secrets[-1], tolerance=None)

    def read_event(self, facts: Facts) -> WebhookEvent:
        """See Gateway. Newer kinds of events come without their object, and say what it is by their type."""
        if facts["object"] == "v2.core.event":
            item = {"object": facts["type"], "id": (facts.get("related_object") or {}).get("id", "")}
            created = datetime.fromisoformat(facts["created"])
        else:
            item = facts["data"]["object"]
            created = datetime.fromtimestamp(facts["created"], UTC)
        metadata = item.get("metadata") or {}
        return WebhookEvent(
            id=facts["id"],
            kind=_KINDS.get(item["object"], ObjectKind.OTHER),
            object_reference=item.get("id", ""),
            our_id=metadata.get("refund_id") or metadata.get("payment_id") or "",
            account=facts.get("account"),
            livemode=facts["livemode"],
            created=created,
            facts=facts,
        )


def _client(key: str, base: str | None, timeout: tuple[float, float], retries: int) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base} if base else None,
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=timeout),
    )


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
    except stripe.APIConnectionError as silent:
        if isinstance(silent.__cause__, SoftTimeLimitExceeded):  # the SDK takes whatever comes while it waits for this
            raise silent.__cause__ from None
        raise GatewaySilent(str(silent)) from silent
    except stripe.AuthenticationError as locked:
        raise KeyRefused(str(locked)) from locked
    except stripe.PermissionError as narrow:
        raise PermissionRefused(str(narrow)) from narrow
    except stripe.RateLimitError as passing:
        raise GatewayUnavailable(str(passing)) from passing
    except stripe.StripeError as final:
        code = final.code or getattr(final.error, "type", None) or type(final).__name__
        body: Any = final.json_body if isinstance(final.json_body, dict) else {}
        facts = (body.get("error") or {}).get("payment_intent")
        words = final.user_message or "The payment provider refused without a reason."
        raise GatewayRefused(code, words, facts) from final
