"""
Which tax is due, by where seller and buyer are and what the register says of the buyer's tax id. Prices are net;
invoices show net and gross. Top-ups are stored value: tax is due on use, never on them.

Not advice: each row names its source, and a person who knows the law of the seller's country has to look at them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final, Literal

from django.conf import settings

from accounts.models import Organization
from billing.models import TaxIdState, TaxProfile
from billing.queries.months import next_month

Treatment = Literal["none", "reverse_charge", "processor"]
EU: Final = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU",
        "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Tax:
    """
    How an invoice is taxed: `none` and `reverse_charge` are 0 %, and the words say why on the invoice; `processor`
    means that the card processor works it out.
    """

    treatment: Treatment
    words: str
    source: str


@dataclass(frozen=True)
class Rule:
    """A treatment, and when it is the one: by the seller's country, and the buyer's profile."""

    tax: Tax
    holds: Callable[[str, TaxProfile], bool]


def _verified(profile: TaxProfile, kind: str) -> bool:
    return profile.tax_id_kind == kind and profile.tax_id_state == TaxIdState.VERIFIED


def _reverse(source: str) -> Tax:
    return Tax("reverse_charge", "Reverse charge: the customer accounts for the tax.", source)


ABROAD = Tax("none", "No tax: services to a customer abroad.", "Law of the customer's country; none is registered for.")
RULES: Final = (
    Rule(
        Tax("none", "No sales tax is collected.", "Collected where Stripe Tax is enabled (STRIPE_TAX) and registered."),
        lambda seller, buyer: seller == buyer.country == "US" and not settings.STRIPE_TAX,
    ),
    Rule(
        _reverse("Directive 2006/112/EC, articles 44 and 196"),
        lambda seller, buyer: buyer.country in EU and seller != buyer.country and _verified(buyer, "eu_vat"),
    ),
    Rule(
        _reverse("VAT Act 1994, section 8; HMRC VAT Notice 741A, section 18"),
        lambda seller, buyer: buyer.country == "GB" and seller != "GB" and _verified(buyer, "gb_vat"),
    ),
    Rule(
        _reverse("A New Tax System (Goods and Services Tax) Act 1999, division 84"),
        lambda seller, buyer: buyer.country == "AU" and seller != "AU" and _verified(buyer, "au_abn"),
    ),
    Rule(
        Tax("processor", "Tax as the card processor works it out.", "Stripe Tax"),
        lambda seller, buyer: settings.STRIPE_TAX,
    ),
    Rule(ABROAD, lambda seller, buyer: seller != buyer.country),
)
UNKNOWN = Tax("none", "No tax: no address is known.", "Nobody can tell which law it would be.")
AT_HOME = Tax("none", "No tax is collected.", "Stripe Tax (STRIPE_TAX) is not enabled.")


def profile_of(organization: Organization, *, at: datetime | None = None) -> TaxProfile | None:
    """The version in force, now or at a moment."""
    versions = TaxProfile.objects.filter(organization=organization)
    known = versions if at is None else versions.filter(declared_at__lt=at)
    return known.order_by("-version").first()


def tax_for(organization: Organization, month: date) -> Tax:
    """How the invoice of a UTC month is taxed: by the version that held when it ended, and what the register says."""
    profile = profile_of(organization, at=datetime.combine(next_month(month), time(), UTC))
    return tax_of(profile)


def tax_of(profile: TaxProfile | None) -> Tax:
    """The first rule that holds for a buyer."""
    if profile is None:
        return UNKNOWN
    return next((rule.tax for rule in RULES if rule.holds(settings.SELLER_COUNTRY, profile)), AT_HOME)
