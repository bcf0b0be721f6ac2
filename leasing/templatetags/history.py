"""What happened to a lease, in its customer's words. Nothing here decides."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html

from accounts.models import Event
from accounts.templatetags.ui import duration, micros, micros_exact, utc
from leasing.models import OnFailure, Transition
from leasing.templatetags.lease import change_words, event_words

register = template.Library()

MOMENTS = ("starts_at", "ends_at", "ended_at_before", "begins_at", "guaranteed_until")
AMOUNTS = ("held_micros", "fee_micros", "refund_micros", "credited_micros")
WORDS = {
    "lease.approval_asked": "Waits for the operator’s approval.",
    "lease.approved": "The operator approved the order.",
    "lease.moved": "Moved: it runs from {starts_at} until {ends_at} now.",
    "lease.extended": "Extended: it ends {ends_at} now.",
    "lease.not_extended": "Could not be extended, and ends {ends_at}. {why}",
    "lease.shortened": "Shortened: it ends {ends_at} now, not {ended_at_before}.",
    "lease.handed_back": "Of the price of the time handed back {fee_micros} are kept; {refund_micros} are free again.",
    "lease.resale_began": "Others use time that was handed back.",
    "lease.resale_ended": "The time that was handed back is past: {credited_micros} came back in all.",
    "lease.renamed": "Renamed: “{before}” is “{name}” now.",
    "lease.key_added": "The SSH key “{key}” was added.",
    "lease.key_removed": "The SSH key “{key}” was removed.",
    "lease.replaced": "A node did not pass its checks. An equal one takes its place.",
    "lease.rebooked": "{node} takes the place of {instead_of}, which cannot serve it.",
    "lease.machine_moved": "Moved to {node}, an equal node that is free for longer. What was on the old one is wiped.",
    "lease.swap_failed": "The replacement did not start.",
    "lease.restored": "Whole again. The {seconds} s of the outage are not charged.",
    "lease.guarantee_ending": "Guaranteed until {guaranteed_until}, and no longer.",
    "lease.guarantee_renewed": "Guaranteed until {guaranteed_until}, and renewed again.",
    "lease.maintenance_planned": "Maintenance of {node} is planned behind it.",
    "lease.maintenance_cancelled": "The planned maintenance of {node} is called off.",
    "lease.interrupt_scheduled": "Announced: paused for want of power from {begins_at} until {ends_at} at the latest.",
    "lease.interrupt_moved": "As was asked for, the announced pause begins later: {begins_at}.",
    "lease.interrupt_called_off": "The announced pause is called off.",
    "lease.interrupt_failed": "The pause for want of power did not go as announced. The operator looks at it.",
    "lease.resuming": "Being resumed: {held_micros} are kept aside for its next hour.",
}


@register.filter
def happened(row: Event | Transition) -> str:
    """A row of a lease's history as a sentence or two; of an event without words here, the title of its notice."""
    if isinstance(row, Transition):
        return change_words(row)
    if row.kind in WORDS:
        return format_html(WORDS[row.kind], **_values(row.data))
    if row.kind in SAID:
        return SAID[row.kind](row.data)
    return event_words(row).removeprefix(f"{row.data.get('name')}: ")


def _values(data: Mapping[str, Any]) -> dict[str, Any]:
    moments = {key: utc(datetime.fromisoformat(data[key])) for key in MOMENTS if key in data}
    return {**data, **moments, **{key: micros(data[key]) for key in AMOUNTS if key in data}}


def _tagged(data: Mapping[str, Any]) -> str:
    if not data["project"]:
        return f"Counts for no project any more; it was {data['before']}."
    return f"Counts for the project {data['project']}" + (f", no more for {data['before']}." if data["before"] else ".")


def _auto_extend(data: Mapping[str, Any]) -> str:
    if data["seconds"] is None:
        return "Does not extend itself."
    price = micros_exact(data["max_micros_per_node_hour"])
    return f"Extends itself by {duration(data['seconds'])} before each end, while a node-hour costs {price} at most."


def _on_failure(data: Mapping[str, Any]) -> str:
    return f"If a node fails: {OnFailure(data['on_failure']).label}."


SAID = {
    "lease.tagged": _tagged,
    "lease.auto_extend_chosen": _auto_extend,
    "lease.on_failure_chosen": _on_failure,
}
