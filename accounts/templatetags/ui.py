"""How numbers, times and states are written on every page and in every mail. Formatting only: nothing here decides."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

MICROS = 1_000_000
MISSING = "–"
NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Look:
    """How a state is shown: the tone of its badge (a class) and the icon in it."""

    tone: str
    icon: str


GOOD, BUSY, WAIT, BAD, OVER, QUIET = "tone-good", "tone-busy", "tone-wait", "tone-bad", "tone-over", "tone-quiet"
STILL = Look(QUIET, "minus")
LOOKS = {
    # leases
    "held": Look(WAIT, "hourglass"),
    "scheduled": Look(BUSY, "calendar"),
    "provisioning": Look(BUSY, "working"),
    "active": Look(GOOD, "active"),
    "degraded": Look(BAD, "warning"),
    "paused": Look(WAIT, "pause"),
    "reclaiming": Look(BUSY, "wipe"),
    "ended": Look(OVER, "check"),
    "expired": Look(OVER, "clock"),
    "cancelled": Look(OVER, "minus"),
    "failed": Look(BAD, "cross"),
    # standing orders
    "waiting": Look(WAIT, "hourglass"),
    "filled": Look(GOOD, "check"),
    # machines and nodes
    "pending": Look(WAIT, "hourglass"),
    "preparing": Look(BUSY, "working"),
    "ready": Look(GOOD, "active"),
    "servicing": Look(BUSY, "working"),
    "pausing": Look(BUSY, "pause"),
    "resuming": Look(BUSY, "working"),
    "wiping": Look(BUSY, "wipe"),
    "wiped": Look(OVER, "check"),
    "wipe_failed": Look(BAD, "cross"),
    "enrolled": Look(QUIET, "server"),
    "verifying": Look(BUSY, "working"),
    "available": Look(GOOD, "check"),
    "reserved": Look(BUSY, "calendar"),
    "deploying": Look(BUSY, "working"),
    "leased": Look(GOOD, "active"),
    "unreachable": Look(BAD, "warning"),
    "quarantined": Look(BAD, "warning"),
    "maintenance": Look(WAIT, "wipe"),
    "retired": Look(OVER, "minus"),
    # enrolments
    "reaching": Look(BUSY, "working"),
    "inspecting": Look(BUSY, "search"),
    "measuring": Look(BUSY, "working"),
    "passed": Look(GOOD, "check"),
    "withdrawn": Look(OVER, "minus"),
    # money
    "action": Look(WAIT, "warning"),
    "draft": Look(QUIET, "document"),
    "open": Look(BUSY, "document"),
    "processing": Look(BUSY, "working"),
    "paid": Look(GOOD, "check"),
    "overdue": Look(BAD, "warning"),
    "written_off": Look(OVER, "minus"),
    "settled": Look(GOOD, "check"),
    "succeeded": Look(GOOD, "check"),
    "refunded": Look(OVER, "wipe"),
    "void": Look(OVER, "minus"),
    "disputed": Look(BAD, "warning"),
    # keys, tokens, members, webhooks
    "revoked": Look(OVER, "minus"),
    "delivered": Look(GOOD, "check"),
    "verified": Look(GOOD, "check"),
    "unverified": Look(WAIT, "warning"),
    "on": Look(GOOD, "check"),
    "off": Look(QUIET, "minus"),
}
WORDS = {"held": "Waiting for approval"}


@register.filter
def state_tone(state: str) -> str:
    """The tone class of a state's badge; quiet for a state not listed."""
    return LOOKS.get(state, STILL).tone


@register.filter
def state_icon(state: str) -> str:
    """The icon name of a state's badge."""
    return LOOKS.get(state, STILL).icon


@register.filter
def state_word(state: str) -> str:
    """A state as words: "wipe_failed" -> "Wipe failed"; "held" says of a lease what it is held for."""
    return WORDS.get(state) or str(state).replace("_", " ").capitalize()


def _dollars(amount: Decimal, places: int) -> str:
    sign = "−" if amount < 0 else ""
    return f"{sign}${abs(amount):,.{places}f}"


@register.filter
def micros(value: int | None) -> str:
    """Micro-dollars as dollars and cents, rounded half up: 2_490_000 -> "$2.49"."""
    return MISSING if value is None else cents(_whole_cents(value))


def _whole_cents(micros: int) -> int:
    cents_up = (abs(micros) * 100 + MICROS // 2) // MICROS
    return cents_up if micros >= 0 else -cents_up


@register.inclusion_tag("components/rounded.html")
def rounded_rows(total: int, *rows: int, **less: int) -> dict[str, bool]:
    """
    Below a list with its sum, a word where its rows, each rounded to cents, do not come to the sum, which is rounded
    once. Micro-dollars; those of `less` are taken off.
    """
    exact = [*rows, *(-micros for micros in less.values())]
    return {"off": sum(exact) == total and sum(map(_whole_cents, exact)) != _whole_cents(total)}


@register.filter
def micros_exact(value: int | None) -> str:
    """Micro-dollars as dollars with no digit lost, at least two places: 37_500 -> "$0.0375"."""
    if value is None:
        return MISSING
    digits = f"{abs(value) % MICROS:06d}".rstrip("0")
    return _dollars(Decimal(value) / MICROS, max(2, len(digits)))


@register.filter
def cents(value: int | None) -> str:
    """Cents as dollars: 249 -> "$2.49"."""
    return MISSING if value is None else _dollars(Decimal(value) / 100, 2)


@register.filter
def whole(value: int) -> str:
    """A whole number, thousands apart and with a true minus: -1200 -> "−1,200"."""
    return f"{value:,}".replace("-", "−")


@register.filter
def duration(value: float | timedelta | None) -> str:
    """Seconds (or a timedelta) in at most two units, unbroken: 7500 -> "2 h 05 min"; below zero reads as zero."""
    if value is None:
        return MISSING
    seconds = max(0, int(value.total_seconds() if isinstance(value, timedelta) else value))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        words = f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"
    elif hours:
        words = f"{hours} h {minutes % 60:02d} min"
    else:
        words = f"{minutes} min {seconds % 60:02d} s" if minutes else f"{seconds} s"
    return words.replace(" ", NBSP)


@register.filter
def utc(moment: datetime | None) -> SafeString | str:
    """A <time> in UTC to the minute, which static/js/time.js rewrites in the reader's zone."""
    return _time(moment, "%-d %b %Y, %H:%M", "minute")


@register.filter
def utc_seconds(moment: datetime | None) -> SafeString | str:
    """As `utc`, to the second: for meters, receipts and transitions."""
    return _time(moment, "%-d %b %Y, %H:%M:%S", "second")


@register.filter
def utc_day(moment: datetime | None) -> SafeString | str:
    """As `utc`, the day alone."""
    return _time(moment, "%-d %b %Y", "day")


def _time(moment: datetime | None, pattern: str, unit: str) -> SafeString | str:
    if moment is None:
        return MISSING
    at = moment.astimezone(UTC)
    iso = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    words = at.strftime(pattern) + ("" if unit == "day" else " UTC")
    words = words.replace(" ", NBSP).replace(f",{NBSP}", ", ")  # a line breaks between day and clock, and nowhere else
    return format_html('<time datetime="{}" data-local="{}" title="{}">{}</time>', iso, unit, exact, words)


@register.filter
def on_day(day: date | None) -> str:
    """A day that is the same for every reader, such as that of an invoice, unbroken: "2 Mar 2026"."""
    return MISSING if day is None else f"{day:%-d %b %Y}".replace(" ", NBSP)


# What stays on one line in a text: dates, figures with their units, kinds of nodes as "8 × H100 SXM", and names with
# hyphens and digits, as nodes have.
STAMP = r"\d{4}-\d\d-\d\d[ ]\d\d:\d\d(?::\d\d)?"
UNIT = r"(?:s|min|h|d|%|[kM]?Wh?|[KMGT]i?B|Gbit/s|seconds?|minutes?|hours?|days?)"
PIECES = re.compile(
    rf"""<[^>]*>  # markup stays as it is
    | (?<![\w-])(?P<moment>{STAMP})(?:[ ]UTC\b | (?=[ ](?:to|until|and)[ ]{STAMP}[ ]UTC\b))
    | (?<![\w-])(?P<whole>{STAMP}
        | \d+[ ]×[ ][A-Z]\w*(?:[ ](?:[A-Z]\w*|\d+(?:[ ]GB)?)\b)*
        | \d[\d,.]*[ ]{UNIT}(?:[ /]h)?(?!\w)
        | (?<!\.)(?=[\w.-]*\d)\w[\w.]*(?:-\w+)+)""",
    re.VERBOSE,
)
LONGEST = 24  # characters of a name that a phone shows on one line in any heading


@register.filter
def unbroken(text: str) -> SafeString:
    """
    A text, ours or somebody's, escaped, whose dates and names a narrow screen does not break. Moments, which texts say
    in ISO and UTC ("2026-03-02 12:00 UTC"), are written as `utc` writes them.
    """
    return mark_safe(PIECES.sub(_piece, conditional_escape(text)))  # noqa: S308 - escaped, and pieces have no markup


def _piece(found: re.Match[str]) -> str:
    if found["moment"]:
        try:
            at = datetime.fromisoformat(found["moment"] + "Z")
        except ValueError:  # somebody wrote the 30th of February
            return found[0]
        return utc_seconds(at) if found["moment"].count(":") > 1 else utc(at)
    whole = found["whole"]
    return f'<span class="number">{whole}</span>' if whole and len(whole) <= LONGEST else found[0]


BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS": "macOS", "Linux": "Linux",
}  # fmt: skip


@register.filter
def browser(user_agent: str) -> str:
    """A User-Agent header in a few words: "Firefox on Linux"; a program's own name as it is ("curl/8.5")."""
    name = next((words for mark, words in BROWSERS.items() if f"{mark}/" in user_agent), "")
    system = next((words for mark, words in SYSTEMS.items() if mark in user_agent), "")
    known = " on ".join(part for part in (name, system) if part)
    return known or user_agent[:40] or "Unknown browser"


@register.simple_tag
def elapsed(*, since: datetime, now: datetime) -> SafeString:
    """Time since a moment, counting up in the browser."""
    return _counter("up", int((now - since).total_seconds()))


@register.simple_tag
def countdown(*, until: datetime, now: datetime) -> SafeString:
    """Time left until a moment, counting down in the browser; stops at zero."""
    return _counter("down", int((until - now).total_seconds()))


def _counter(way: str, seconds: int) -> SafeString:
    seconds = max(0, seconds)
    return format_html(
        '<span class="number" data-count="{}" data-seconds="{}">{}</span>', way, seconds, duration(seconds)
    )


@register.simple_tag
def seconds_between(start: datetime, end: datetime) -> int:
    """Whole seconds from one moment to another, never below zero."""
    return max(0, int((end - start).total_seconds()))


@register.simple_tag
def live_cost(*, charged_micros: int, micros_per_node_hour: int, nodes: int = 1) -> SafeString:
    """A charge so far that grows in the browser at the rate, for a meter that runs now."""
    return format_html(
        '<span class="money" data-count="cost" data-micros="{}" data-rate="{}">{}</span>',
        charged_micros,
        micros_per_node_hour * nodes,
        micros(charged_micros),
    )


@register.simple_tag
def trail(*pairs: str) -> list[tuple[str, str]]:
    """Breadcrumb from label, address, label, address …: `{% trail "Leases" url as crumbs %}`."""
    return list(zip(pairs[::2], pairs[1::2], strict=True))


@register.simple_tag
def url_or_none(name: str, *args: object) -> str:
    """The address of a named page, or "" where this installation has no such page."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


@register.filter
def under(path: str, prefix: str) -> bool:
    """True when a request path is the page `prefix` or below it: what the navigation marks as current."""
    return bool(prefix) and (path == prefix or (prefix != "/" and path.startswith(prefix)))
