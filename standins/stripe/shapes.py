"""What a fresh object looks like: every key of Stripe's published fixture, with values that are true of a new one."""

import json
import secrets
import string
from copy import deepcopy
from pathlib import Path

from standins.stripe.store import JSON

FIXTURES: dict[str, JSON] = json.loads((Path(__file__).parent / "fixtures.json").read_text())
ACCOUNT = "acct_1StandInNoRealMoney"
PREFIXES = {
    "balance_transaction": "txn_",
    "billing.meter": "mtr_test_",
    "billing.meter_event_summary": "mtrusg_test_",
    "charge": "ch_",
    "checkout.session": "cs_test_",
    "credit_note": "cn_",
    "credit_note_line_item": "cnli_",
    "customer": "cus_",
    "customer_balance_transaction": "cbtxn_",
    "dispute": "dp_",
    "event": "evt_",
    "invoice": "in_",
    "invoice_payment": "inpay_",
    "invoiceitem": "ii_",
    "item": "li_",
    "line_item": "il_",
    "payment_intent": "pi_",
    "payment_method": "pm_",
    "price": "price_",
    "product": "prod_",
    "radar.early_fraud_warning": "issfr_",
    "refund": "re_",
    "setup_intent": "seti_",
    "subscription": "sub_",
    "subscription_item": "si_",
    "tax.calculation": "taxcalc_",
    "tax.calculation_line_item": "tax_li_",
    "tax.transaction": "tax_",
    "tax.transaction_line_item": "tax_li_",
    "tax_id": "txi_",
    "tax_rate": "txr_",
    "test_helpers.test_clock": "clock_",
    "webhook_endpoint": "we_",
}
# Keys that this version of the API has and the fixture has not, and the reverse.
MORE_KEYS: dict[str, set[str]] = {
    "event": {"account"},
    "radar.early_fraud_warning": {"payment_intent"},
    "refund": {"failure_balance_transaction", "failure_reason"},
    "webhook_endpoint": {"secret"},
}
GONE_KEYS: dict[str, set[str]] = {"invoice": {"subscription"}}
_NO_TAX = {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None}
# Example values that would be untrue of a fresh object; nested examples not named here become null.
_FRESH: dict[str, JSON] = {
    "checkout.session": {
        "automatic_tax": {name: value for name, value in _NO_TAX.items() if name != "disabled_reason"},
        "custom_text": dict.fromkeys(FIXTURES["checkout.session"]["custom_text"]),
        "payment_intent": None,
        "payment_method_options": {},
        "phone_number_collection": {"enabled": False},
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
    },
    "payment_intent": {"amount_details": {"tip": {}}, "canceled_at": None, "payment_method_options": {}},
    "charge": {"balance_transaction": None, "description": None, "fraud_details": {}, "receipt_url": None},
    "customer": {"currency": None, "invoice_settings": FIXTURES["customer"]["invoice_settings"]},
    "refund": {"charge": None},
    "setup_intent": {"payment_method_options": {}},
}
_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh identifier such as `re_…`."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def build(kind: str, *, created: int, **members: object) -> JSON:
    """A new object of the kind with every key of its fixture; `created` in seconds since 1970."""
    fixture = FIXTURES[kind]
    unknown = members.keys() - fixture.keys() - MORE_KEYS.get(kind, set())
    if unknown:
        raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}")
    gone = GONE_KEYS.get(kind, set())
    item = {
        name: None if isinstance(value, dict) else deepcopy(value)
        for name, value in fixture.items()
        if name not in gone
    }
    fresh = deepcopy(_FRESH.get(kind, {})) | {"livemode": False, "created": created, "metadata": {}}
    item |= {name: value for name, value in fresh.items() if name in fixture}
    if kind in PREFIXES:
        item["id"] = new_id(PREFIXES[kind])
    return item | members


def merged(old: JSON | None, given: JSON | str | None) -> dict[str, str]:
    """Metadata after an update: keys are merged, an empty value takes its key away, an empty string takes all."""
    if given == "":
        return {}
    both = {**(old or {}), **(given if isinstance(given, dict) else {})}
    return {key: value for key, value in both.items() if value != ""}


def tombstone(item: JSON) -> JSON:
    """What is left of a deleted object."""
    return {"id": item["id"], "object": item["object"], "deleted": True}
