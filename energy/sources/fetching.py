"""One bounded GET: so long, so much, no redirects, and not into the operator's own network unless that is meant."""

from accounts.calling import EVERYWHERE, AddressRefused, CallFailed, call
from energy.sources.parsing import BadSource

SECONDS = 10.0  # for all of it, however slowly it trickles
MOST_BYTES = 2_000_000
HEADERS = {"Accept": "application/json, text/csv", "User-Agent": "Gridlease"}


def get(url: str, *, private: bool, seconds: float = SECONDS, most_bytes: int = MOST_BYTES) -> bytes:
    """
    What an address answers. Plain http, and addresses that are not public, are for `private` sources alone.

    :raises BadSource: if there is no answer of 200 in time, it is too long, or its address is not allowed
    """
    networks = EVERYWHERE if private else ()
    try:
        answer = call(
            url, headers=HEADERS, networks=networks, seconds=seconds, connect_seconds=seconds, most_bytes=most_bytes
        )
    except AddressRefused as refusal:
        raise BadSource(f"{refusal} Allow private addresses if it is a meter of your own.") from refusal
    except CallFailed as failure:
        raise BadSource(str(failure)) from failure
    if answer.status != 200:
        raise BadSource(f"{url} answered {answer.status} instead of 200; redirects are not followed.")
    if answer.cut:
        raise BadSource(f"The answer is longer than {most_bytes} bytes. Ask for fewer days at once.")
    if answer.broken:  # of what was promised
        raise BadSource(f"The answer of {url} broke off.")
    return answer.body
