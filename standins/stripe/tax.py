"""Tax on a net amount, by where the customer is: a small table, reverse charge, exemptions. Not advice to anybody."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.store import JSON

# Standard rates as published by the authorities for 2026: (name, the SDK's type of tax, percent).
_COUNTRIES = {
    "AT": ("VAT", "vat", "20"),
    "BE": ("VAT", "vat", "21"),
    "CH": ("VAT", "vat", "8.1"),
    "DE": ("VAT", "vat", "19"),
    "DK": ("VAT", "vat", "25"),
    "ES": ("VAT", "vat", "21"),
    "FI": ("VAT", "vat", "25.5"),
    "FR": ("VAT", "vat", "20"),
    "GB": ("VAT", "vat", "20"),
    "IE": ("VAT", "vat", "23"),
    "IT": ("VAT", "vat", "22"),
    "NL": ("VAT", "vat", "21"),
    "PL": ("VAT", "vat", "23"),
    "SE": ("VAT", "vat", "25"),
    "AU": ("GST", "gst", "10"),
}
# States that tax hosting and where the seller is registered; in all others nothing is collected.
_STATES = {"NY": ("Sales Tax", "sales_tax", "8.875"), "WA": ("Sales Tax", "sales_tax", "10.35")}
# Who imposes what of a state's percent: (name, level, percent).
_PARTS = {
    "NY": (
        ("New York", "state", "4"),
        ("New York City", "city", "4.5"),
        ("Metropolitan Commuter Transportation District", "district", "0.375"),
    ),
    "WA": (("Washington", "state", "6.5"), ("Seattle", "city", "3.85")),
}
# Where a country is not precise enough: the shape of its postal codes, https://docs.stripe.com/tax/customer-locations
_PRECISE = {"US": r"(?!00000)\d{5}(-\d{4})?", "CA": r"[A-Z]\d[A-Z] ?\d[A-Z]\d"}
_BUSINESS_IDS = ("eu_vat", "gb_vat", "au_abn", "ch_vat")


@dataclass(frozen=True)
class Rule:
    """What the customer pays: `percent` of the net amount, and Stripe's word for why."""

    percent: Decimal
    reason: str
    name: str = "Tax"
    kind: str = "vat"
    country: str | None = None
    state: str | None = None


def rule_for(world: World, customer: JSON) -> Rule:
    """The rule for this customer. Raises ApiError 400 when nobody knows where they are."""
    business = _is_business(world, customer)
    return rule_at(customer["address"], "automatic_tax", exempt=customer["tax_exempt"], business=business)


def rule_at(address: JSON | None, param: str, *, exempt: str, business: bool) -> Rule:
    """The rule for whoever is at this address. Raises ApiError 400, for `param`, when nobody knows where that is."""
    expect_location(address, param)
    country, state = (address or {})["country"], (address or {}).get("state")
    if exempt == "exempt":
        return Rule(Decimal(0), "customer_exempt", country=country)
    name, kind, percent = (
        _STATES.get(str(state), ("", "", "")) if country == "US" else _COUNTRIES.get(country, ("", "", ""))
    )
    if not percent:
        return Rule(Decimal(0), "not_collecting", country=country)
    if exempt == "reverse" or (country != "US" and business):
        return Rule(Decimal(0), "reverse_charge", name, kind, country)
    return Rule(Decimal(percent), "standard_rated", name, kind, country, state if country == "US" else None)


def expect_location(address: JSON | None, param: str) -> None:
    """Raises ApiError 400 for an address of which nobody knows whose tax it falls under."""
    if not located(address):
        message = (
            "The customer's location isn't recognized. Set a valid customer address in order to automatically "
            "calculate tax."
        )
        raise ApiError(400, message, code="customer_tax_location_invalid", param=param)


def located(address: JSON | None) -> bool:
    """Whether the address says whose tax it falls under."""
    country = (address or {}).get("country") or ""
    return bool(country and re.fullmatch(_PRECISE.get(country, ".*"), (address or {}).get("postal_code") or ""))


def of_customer(customer: JSON) -> JSON:
    """`tax` of a customer, which is there when it is asked for by `expand`."""
    known, address = located(customer["address"]), customer["address"] or {}
    place = {"country": address.get("country"), "source": "billing_address", "state": address.get("state")}
    return {
        "automatic_tax": "supported" if known else "unrecognized_location",
        "ip_address": None,
        "location": place if known else None,
        "provider": "stripe",
    }


def _is_business(world: World, customer: JSON) -> bool:
    """A number that the register does not know makes nobody a business."""
    found = world.store.newest("tax_id", customer=customer["id"])
    return is_business(item["type"] for item in found if item["verification"]["status"] != "unverified")


def is_business(types: Iterable[str]) -> bool:
    """Whether one of these kinds of tax ids is a business's."""
    return any(kind in _BUSINESS_IDS for kind in types)


def amount_on(rule: Rule, net: int) -> int:
    """The tax on so many cents; half a cent is rounded up."""
    return _rounded(net * rule.percent / 100)


def _rounded(cents: Decimal) -> int:
    return int(cents.quantize(Decimal(1), ROUND_HALF_UP))


def parts_of(rule: Rule, net: int) -> list[JSON]:
    """The same by who imposes it, as a line of a calculation shows it: together exactly `amount_on`."""
    whole = (rule.state or rule.country, "state" if rule.state else "country", str(rule.percent))
    parts, before, found = _PARTS.get(rule.state or "", (whole,)), Decimal(0), list[JSON]()
    for name, level, percent in parts:
        after = before + Decimal(percent)
        details = {"display_name": rule.name, "percentage_decimal": percent, "tax_type": rule.kind}
        found.append(
            {
                "amount": _rounded(net * after / 100) - _rounded(net * before / 100),
                "jurisdiction": {
                    "country": rule.country,
                    "display_name": name,
                    "level": level,
                    "state": rule.state,
                },
                "sourcing": "destination",
                "tax_rate_details": details if rule.percent else None,
                "taxability_reason": rule.reason,
                "taxable_amount": net if rule.percent else 0,
            }
        )
        before = after
    return found


def on(world: World, rule: Rule, net: int) -> JSON:
    """The tax on so many cents, as a line of an invoice shows it; half a cent is rounded up."""
    return {
        "amount": amount_on(rule, net),
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": _rate(world, rule)["id"]},
        "taxability_reason": rule.reason,
        "taxable_amount": net if rule.percent else 0,
        "type": "tax_rate_details",
    }


def added(taxes: list[JSON]) -> list[JSON]:
    """The taxes of several lines, those of one rate and reason together."""
    sums: dict[tuple[str, str], JSON] = {}
    for each in taxes:
        key = (each["tax_rate_details"]["tax_rate"], each["taxability_reason"])
        old = sums.get(key, {"amount": 0, "taxable_amount": 0})
        both = {name: old[name] + each[name] for name in ("amount", "taxable_amount")}
        sums[key] = {**each, **both}
    return list(sums.values())


def _rate(world: World, rule: Rule) -> JSON:
    """The tax rate object of the rule; each is made once."""
    percent = float(rule.percent)
    for item in world.store.newest("tax_rate"):
        if (item["percentage"], item["country"], item["state"]) == (percent, rule.country, rule.state):
            return item
    jurisdiction = {
        "jurisdiction": rule.state or rule.country,
        "jurisdiction_level": "state" if rule.state else "country",
    }
    return world.create(
        "tax_rate",
        **jurisdiction,
        active=False,
        country=rule.country,
        description=None,
        display_name=rule.name,
        effective_percentage=percent,
        percentage=percent,
        rate_type="percentage",
        state=rule.state,
        tax_type=rule.kind,
    )


def automatic(*, enabled: bool, disabled_reason: str | None = None) -> JSON:
    """`automatic_tax` of an invoice."""
    return {
        "disabled_reason": disabled_reason,
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": "complete" if enabled else None,
    }
