"""The domain's refusals as problem answers, each with the way out."""

from accounts.http.problems import Problem
from billing.checkout import InsufficientFunds, QuoteExpired, QuoteUsed
from leasing.operations import NodesTaken
from marketplace.money import format_micros

TOP_UP_PATH = "/api/v1/top-ups"


def insufficient_funds(error: InsufficientFunds) -> Problem:
    """402, with what is needed, what is there, and where to top up."""
    needed, missing = (format_micros(m, places=6) for m in (error.needed_micros, error.missing_micros))
    return Problem(
        402,
        "insufficient_funds",
        "Not enough money in the wallet",
        f"The order keeps {needed} aside; {missing} are missing. Top up and order again.",
        needed_micros=error.needed_micros,
        available_micros=error.available_micros,
        missing_micros=error.missing_micros,
        top_up_path=TOP_UP_PATH,
    )


def nodes_taken(error: NodesTaken) -> Problem:
    """409, with the next windows in which as many nodes are free, or that they are not in one fabric group."""
    if error.scattered:
        words = (
            "As many nodes are free, but not in one fabric group. Order fewer, another window, or without same_fabric."
        )
        return Problem(409, "nodes_scattered", "Not in one fabric group", words)
    return Problem(
        409,
        "nodes_taken",
        "Not enough free nodes",
        "Not all nodes are free for the whole window any more. Quote one of the windows, or another offer.",
        windows=[{"starts_at": window.starts_at, "ends_at": window.ends_at} for window in error.windows],
    )


def quote_used(error: QuoteUsed) -> Problem:
    """409, with the lease that it became."""
    detail = f"This quote became the lease {error.lease.public_id}. Ask for a new quote to order another."
    return Problem(409, "quote_used", "Quote used already", detail, lease=error.lease.public_id)


def quote_expired(error: QuoteExpired) -> Problem:
    """410."""
    detail = f"The price was kept until {error.quote.expires_at:%Y-%m-%d %H:%M:%S} UTC. Ask for a new quote."
    return Problem(410, "quote_expired", "Quote expired", detail, expired_at=error.quote.expires_at)
