"""Payments through a Gateway, which `gateway()` builds from the settings."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from billing.payments.base import Gateway
from billing.payments.stripe import StripeGateway


def gateway() -> Gateway:
    """The configured gateway, one for the same settings. Raises ImproperlyConfigured without a key."""
    return _gateway(settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_API_BASE)


@cache
def _gateway(api_key: str, webhook_secret: str, api_base: str) -> Gateway:
    if not api_key:
        raise ImproperlyConfigured(
            "STRIPE_API_KEY is not set. Start through ./run (which sets it), or set it yourself."
        )
    return StripeGateway(api_key=api_key, webhook_secret=webhook_secret, api_base=api_base or None)
