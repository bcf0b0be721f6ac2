"""
Which tax an invoice carries, by where seller and buyer are and what the register says of the buyer's tax id. Prices are
net; invoices show net, tax and gross. Top-ups are stored value: tax is due on use, never on them.

Not advice: each rule names its source, and a person who knows the law of the seller's country has to look at them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.conf import settings
from django.db import connection

from accounts.models import Organization
from billing.models import TaxProfile

Treatment = Literal["none", "reverse_charge", "processor", "calculated"]
EU: Final = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU",
        "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """
    A treatment, and when it is the one: SQL over `buyer`, the profile in force, and over the seller. Rates are
    millionths of the net amount; the words say on the invoice why. `processor`: the card processor works it out on its
    own invoices, which only who pays by the month gets. `calculated`: it works it out for ours, and what it says is a
    `TaxCalculation`.
    """

    treatment: Treatment
    words: str
    source: str
    holds: str
    rate_ppm: int = 0


def _reverse(source: str, holds: str) -> Rule:
    return Rule("reverse_charge", "Reverse charge: the customer accounts for the tax.", source, holds)


def _verified(kind: str, countries: str) -> str:
    known = f"buyer.tax_id_kind = '{kind}' AND buyer.tax_id_state = 'verified'"
    return f"buyer.country IN ({countries}) AND buyer.country <> %(seller_country)s AND {known}"


UNANSWERED: Final = "No tax: it could not be worked out in time."
NOTHING_OWED: Final = "No tax: there is nothing to pay."
# Whether the processor was told of use in the month: then its own invoice has the tax, however the customer pays now.
_TOLD = """
    EXISTS (SELECT FROM billing_export AS told
             WHERE told.organization_id = organization.id AND told.value_micros > 0 AND told.at < %(end)s
               AND told.at >= date_trunc('month', %(end)s::timestamptz - interval '1 microsecond', 'UTC'))
"""
_EU_COUNTRIES = ", ".join(f"'{country}'" for country in sorted(EU))
RULES: Final = (
    Rule("none", "No tax: no address is known.", "Nobody can tell which law it would be.", "buyer.id IS NULL"),
    Rule(
        "none",
        "No sales tax is collected.",
        "Collected where Stripe Tax is enabled (STRIPE_TAX) and registered.",
        "buyer.country = 'US' AND %(seller_country)s = 'US' AND NOT %(stripe_tax)s",
    ),
    _reverse("Directive 2006/112/EC, articles 44 and 196", _verified("eu_vat", _EU_COUNTRIES)),
    _reverse("VAT Act 1994, section 8; HMRC VAT Notice 741A, section 18", _verified("gb_vat", "'GB'")),
    _reverse("A New Tax System (Goods and Services Tax) Act 1999, division 84", _verified("au_abn", "'AU'")),
    Rule(
        "processor",
        "Tax stands on the invoice of the card processor.",
        "Stripe Tax, by your address and tax id",
        f"%(stripe_tax)s AND (account.mode = 'metered' OR {_TOLD})",
    ),
    Rule(
        "calculated",
        "Tax comes on top: it is worked out when the month is over.",
        "Stripe Tax, by your address and tax id",
        "%(stripe_tax)s",
    ),
    Rule(
        "none",
        "No tax: services to a customer abroad.",
        "Law of the customer's country; none is registered for.",
        "buyer.country <> %(seller_country)s",
    ),
    Rule("none", "No tax is collected.", "Nothing above holds.", "TRUE"),
)
CALCULATED: Final = next(place for place, rule in enumerate(RULES) if rule.treatment == "calculated")
_PLACE = " ".join(f"WHEN {rule.holds} THEN {place}" for place, rule in enumerate(RULES))
_SHOWN = ", ".join(f"({place}, '{rule.words}', {rule.rate_ppm})" for place, rule in enumerate(RULES))

# One row for each organization: the first rule that holds for the profile in force before %(end)s, who the buyer is
# for the tax office (NULL if nobody knows), and a tax id that no register denies; a verified one is known to it.
TAXES = f"""
    SELECT organization.id AS organization_id, applying.place, applying.rate_ppm, applying.note,
           buyer.id AS profile_id,
           CASE WHEN buyer.tax_id_state = 'verified' THEN buyer.tax_id ELSE '' END AS verified_tax_id,
           CASE WHEN buyer.tax_id_state IN ('verified', 'unavailable') THEN buyer.tax_id ELSE '' END AS buyer_tax_id,
           CASE WHEN buyer.id IS NOT NULL THEN concat_ws(
               E'\\n', buyer.legal_name, buyer.line1, nullif(buyer.line2, ''),
               trim(concat_ws(' ', buyer.postal_code, buyer.city, buyer.region)), buyer.country) END AS buyer
      FROM accounts_organization AS organization
      LEFT JOIN billing_billingaccount AS account ON account.organization_id = organization.id
      LEFT JOIN LATERAL (
           SELECT * FROM billing_taxprofile AS profile
            WHERE profile.organization_id = organization.id AND profile.declared_at < %(end)s
            ORDER BY profile.version DESC LIMIT 1) AS buyer ON TRUE
      JOIN (VALUES {_SHOWN}) AS applying (place, note, rate_ppm)
        ON applying.place = CASE {_PLACE} END
"""  # noqa: S608  our own words
# Whether `calculation` is of the month that is closed, with the net amount in `total` and what `applying` says.
FITS = """
    calculation.organization_id = total.organization_id AND calculation.period_start = %(month)s
    AND calculation.profile_id = applying.profile_id AND calculation.tax_id = applying.verified_tax_id
    AND calculation.net_cents = total.net_cents
"""


@dataclass(frozen=True)
class Tax:
    """How an invoice is taxed: the rule, and the buyer's tax id as it stands on it."""

    rule: Rule
    buyer_tax_id: str

    @property
    def rate_ppm(self) -> int:
        """In millionths of the net amount."""
        return self.rule.rate_ppm


def seller() -> dict[str, Any]:
    """What `TAXES` asks besides the moment: where the operator is established, and whether it uses Stripe Tax."""
    return {"seller_country": settings.SELLER_COUNTRY, "stripe_tax": settings.STRIPE_TAX}


def profile_of(organization: Organization) -> TaxProfile | None:
    """The version in force."""
    return TaxProfile.objects.filter(organization=organization).order_by("-version").first()


def tax_at(*, organization: Organization, end: datetime) -> Tax:
    """The tax of an invoice of a time that ends then: by the version in force, and what the register says by now."""
    mine = f"SELECT place, buyer_tax_id FROM ({TAXES}) AS tax WHERE organization_id = %(organization)s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(mine, {"organization": organization.pk, "end": end, **seller()})
        place, buyer_tax_id = cursor.fetchone()
    return Tax(RULES[place], buyer_tax_id)
