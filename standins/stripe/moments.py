"""When time does something to an object: the one table of deadlines (what it does is in due.py)."""

from collections.abc import Callable

from standins.stripe.store import JSON

TAX_ID_CHECK_SECONDS = 2
INCOMPLETE_SECONDS = 23 * 3600


def _invoice(item: JSON) -> int | None:
    moment = item["automatically_finalizes_at"] if item["status"] == "draft" else item["next_payment_attempt"]
    return moment if item["auto_advance"] and item["status"] in ("draft", "open") else None


def _tax_id(item: JSON) -> int | None:
    waits = item["verification"] and item["verification"]["status"] == "pending" and "222222222" not in item["value"]
    return item["created"] + TAX_ID_CHECK_SECONDS if waits else None


def _subscription(item: JSON) -> int | None:
    if item["status"] in ("canceled", "incomplete_expired"):
        return None
    if item["status"] == "incomplete":
        return int(item["start_date"]) + INCOMPLETE_SECONDS
    end: int = item["items"]["data"][0]["current_period_end"]
    return min(end, item["cancel_at"] or end)


_MOMENTS: dict[str, Callable[[JSON], int | None]] = {
    "balance_transaction": lambda item: item["available_on"] if item["status"] == "pending" else None,
    "checkout.session": lambda item: item["expires_at"] if item["status"] == "open" else None,
    "dispute": lambda item: (
        item["evidence_details"]["due_by"] if item["status"] in ("needs_response", "warning_needs_response") else None
    ),
    "invoice": _invoice,
    "subscription": _subscription,
    "tax_id": _tax_id,
}


def moment_of(item: JSON) -> int | None:
    """Seconds since 1970, or None when nothing awaits the object."""
    if item.get("deleted") or item["object"] not in _MOMENTS:
        return None
    return _MOMENTS[item["object"]](item)
