"""The domain's refusals as problem answers, each with the way out."""

from accounts.http.problems import Problem, bad_field
from accounts.models import Organization
from billing.budgets import BudgetExceeded
from billing.checkout import InsufficientFunds, RunsDry
from billing.extending import PriceTooHigh
from billing.keeping import HeldLately
from billing.limits import NodeLimitReached
from billing.models import BillingMode
from billing.queries.metered import WAYS_OUT, mode_of
from billing.quotes import QuoteExpired, QuoteUsed
from billing.waiting import NotWaiting, TooManyWait
from leasing.operations import BookedBehind, NodesTaken, PowerTaken, WindowRefused
from leasing.queries.extension import LEASE
from leasing.serializers.windows import BehindShown
from marketplace.money import format_micros

TOP_UP_PATH, INVOICES_PATH = "/api/v1/top-ups", "/api/v1/invoices"
BUDGETS_PATH = "/api/v1/budgets"


def insufficient_funds(error: InsufficientFunds, organization: Organization) -> Problem:
    """402, with what is needed, what is there, and where to top up, or to find what is to be paid."""
    needed, missing = (format_micros(m, places=6) for m in (error.needed_micros, error.missing_micros))
    mode = mode_of(organization)
    before = mode == BillingMode.PREPAID
    why = "What runs on demand has less than an hour left. " if isinstance(error, RunsDry) else ""
    return Problem(
        402,
        "insufficient_funds",
        "Not enough money in the wallet" if before else "Not enough credit left",
        f"{why}{needed} must be kept aside; {missing} are missing. {WAYS_OUT[mode]} and try again.",
        needed_micros=error.needed_micros,
        available_micros=error.available_micros,
        missing_micros=error.missing_micros,
        **({"top_up_path": TOP_UP_PATH} if before else {"invoices_path": INVOICES_PATH}),
    )


def window_refused(error: WindowRefused) -> Exception:
    """400 naming the field at fault; 409 where it is the lease itself."""
    if error.field == LEASE:
        return Problem(409, "window_fixed", "Not possible for this lease", error.message)
    return bad_field(error.field, error.message)


def booked_behind(error: BookedBehind) -> Problem:
    """409, with how far the lease can go on."""
    return Problem(
        409,
        "booked_behind",
        "Booked behind",
        str(error),
        furthest_ends_at=error.reach.ends_at,
        behind=BehindShown(error.reach.behind, many=True).data,
    )


def price_too_high(error: PriceTooHigh) -> Problem:
    """409, with the price in force."""
    detail = f"{error} Raise max_micros_per_node_hour to take it."
    return Problem(
        409, "price_too_high", "Dearer than you take", detail, micros_per_node_hour=error.micros_per_node_hour
    )


def nodes_taken(error: NodesTaken) -> Problem:
    """
    409, with the next windows in which as many nodes are free, of one fabric group where that was asked for; or that
    their site has sold its firm power.
    """
    if isinstance(error, PowerTaken):
        return power_taken(error)
    windows = [{"starts_at": window.starts_at, "ends_at": window.ends_at} for window in error.windows]
    ways = (
        "Quote one of the windows (a lease without an end when it begins), or another offer."
        if error.windows
        else "As many are not free here within 60 days either: quote fewer nodes, or another offer."
    )
    if error.scattered:
        words = f"As many nodes are free, but not in one fabric group. {ways} Or leave same_fabric out."
        return Problem(409, "nodes_scattered", "Not in one fabric group", words, windows=windows)
    words = f"Not all nodes are free for the whole window. {ways}"
    return Problem(409, "nodes_taken", "Not enough free nodes", words, windows=windows)


def held_lately(error: HeldLately) -> Problem:
    """409, with from when nodes can be held there again."""
    return Problem(409, "held_lately", "Held there a moment ago", str(error), again_at=error.again_at)


def power_taken(error: PowerTaken) -> Problem:
    """409, with the site's limit, what is sold of it, and from when on more is free, or how far a lease can go on."""
    short = error.shortage
    return Problem(
        409,
        "power_taken",
        "Not enough firm power",
        str(error),
        site=short.site.slug,
        firm_watts=short.span.firm_watts,
        sold_watts=short.span.sold_watts,
        wanted_watts=short.wanted_watts,
        **({"furthest_ends_at": error.furthest} if error.furthest else {"free_from": short.free_from}),
    )


def quote_used(error: QuoteUsed) -> Problem:
    """409, with the lease that it became."""
    detail = f"This quote became the lease {error.lease.public_id}. Ask for a new quote to order another."
    return Problem(409, "quote_used", "Quote used already", detail, lease=error.lease.public_id)


def quote_expired(error: QuoteExpired) -> Problem:
    """410."""
    detail = f"The price was kept until {error.quote.expires_at:%Y-%m-%d %H:%M:%S} UTC. Ask for a new quote."
    return Problem(410, "quote_expired", "Quote expired", detail, expired_at=error.quote.expires_at)


def not_waiting(error: NotWaiting) -> Problem:
    """409."""
    return Problem(409, "not_waiting", "It has ended already", str(error))


def standing_order_limit_reached(error: TooManyWait) -> Problem:
    """409, with the limit."""
    return Problem(409, "standing_order_limit_reached", "Too many standing orders", str(error), limit=error.limit)


def budget_exceeded(error: BudgetExceeded) -> Problem:
    """402, with the budget, its month, what is left of it and what the order needs."""
    return Problem(
        402,
        "budget_exceeded",
        "More than the budget allows",
        str(error),
        budget=error.budget.public_id,
        project=error.budget.project,
        month=error.month,
        limit_micros=error.budget.limit_micros,
        left_micros=error.left_micros,
        needed_micros=error.needed_micros,
        budgets_path=BUDGETS_PATH,
    )


def node_limit_reached(error: NodeLimitReached) -> Problem:
    """409, with the limit and what is in use, or held by other quotes where nodes are to be held."""
    return Problem(
        409,
        "node_limit_reached",
        "More nodes than allowed at once",
        str(error),
        plan=error.plan.slug,
        limit=error.limit,
        in_use=error.in_use + error.held,
        wanted=error.wanted,
    )


def ordering_blocked(error: Exception) -> Problem:
    """403, with the way out. Why is not said."""
    return Problem(403, "ordering_blocked", "Ordering is paused", str(error))


def capped(error: Exception) -> Problem:
    """What an organization's standing, node limit or budget forbids."""
    if isinstance(error, BudgetExceeded):
        return budget_exceeded(error)
    return node_limit_reached(error) if isinstance(error, NodeLimitReached) else ordering_blocked(error)
