"""
One bounded call to an address that somebody gave us: so long, so much, no redirects, and not into networks of our own.

The name is looked up once and that very address is called, with the name in TLS and in `Host`: what was checked cannot
change before the call.
"""

import re
import socket
import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Address, ip_address, ip_network
from queue import Empty, Queue
from threading import Thread, Timer
from time import monotonic
from urllib.parse import SplitResult, urlsplit

PORTS = {"http": 80, "https": 443}
EVERYWHERE = ("0.0.0.0/0", "::/0")
# Public to Python's tables, or to those of one version, and yet not a host on the internet: relays and tunnels lead on.
NEVER = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "2001::/23", "2002::/16")))
UNICAST = ip_network("2000::/3")  # all of IPv6 that is given out; mapped and translated IPv4 lies outside


class CallFailed(Exception):
    """There is no answer; the message tells why to whoever gave the address."""


class AddressRefused(CallFailed):
    """It is no address that may be called."""


@dataclass(frozen=True)
class Answer:
    """What came back. `cut`: there was more than we read; `broken`: there was less than was promised."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool
    broken: bool


def call(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str],
    networks: Collection[str] = (),
    seconds: float = 10.0,
    connect_seconds: float = 5.0,
    most_bytes: int = 65_536,
) -> Answer:
    """
    What an address answers, whatever its status. Plain http, and addresses that are not public, are for `networks`
    (CIDR) alone. `seconds` are for all of it, however slowly it trickles; `connect_seconds` for name, connection, TLS.

    :raises AddressRefused: if it is not to be called
    :raises CallFailed: if there was no whole answer in time
    """
    parts = parse(url, plain=bool(networks))
    try:
        with _connected(parts, networks, seconds, min(connect_seconds, seconds)) as connection:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body=body, headers={**headers, "Host": parts.netloc})
            with closing(connection.getresponse()) as answer:
                return _read(answer, most_bytes)
    except (OSError, HTTPException) as error:
        why = error or type(error).__name__
        raise CallFailed(f"No answer from {parts.hostname} within {seconds:g} s: {why}.") from error


def parse(url: str, *, plain: bool) -> SplitResult:
    """
    The parts of an address; http only if `plain`.

    :raises AddressRefused: saying what is wrong with it
    """
    if not re.fullmatch(r"[!-\[\]-~]+", url):
        raise AddressRefused("Use ASCII without spaces and backslashes: bücher.example is xn--bcher-kva.example.")
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname and (parts.port or PORTS[parts.scheme]))
    except (KeyError, ValueError):
        known = False
    if not known or parts.scheme not in PORTS:
        raise AddressRefused("This is no address that can be called: use https://.")
    if "@" in parts.netloc or "#" in url:
        raise AddressRefused("Leave out user, password and what follows a #: they are not sent.")
    if parts.scheme == "http" and not plain:
        raise AddressRefused("The address must begin with https://.")
    return parts


def check(url: str, *, networks: Collection[str]) -> SplitResult:
    """
    The parts of an address that `call` could call as far as can be told without asking a name server.

    :raises AddressRefused: saying what is wrong with it
    """
    parts = parse(url, plain=bool(networks))
    with suppress(OSError, ValueError):  # it is a name, or will not be found
        numeric = socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        _require_allowed(parts, [str(entry[4][0]) for entry in numeric], networks)
    return parts


def public(address: str) -> bool:
    """Whether an IP address is a host's on the internet, and not one of a network that only we can reach."""
    known = ip_address(address)
    if any(known in network for network in NEVER):
        return False
    return known.is_global and (isinstance(known, IPv4Address) or known in UNICAST)


def _require_allowed(parts: SplitResult, found: list[str], networks: Collection[str]) -> None:
    """All of a name's addresses must be allowed, or else one of them might be called by chance."""
    allowed = [ip_network(network) for network in networks]
    ours = [any(ip_address(address) in network for network in allowed) for address in found]
    if parts.scheme == "http" and not all(ours):
        raise AddressRefused("The address must begin with https://.")
    if not all(own or public(address) for own, address in zip(ours, found, strict=True)):
        raise AddressRefused(f"{parts.hostname} is not an address of the public internet.")


def _resolved(host: str, seconds: float) -> list[str]:
    """In a thread, as a name server that does not answer can hold the system's resolver up for minutes."""
    told: Queue[list[str] | Exception] = Queue()

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            told.put([str(entry[4][0]) for entry in entries])
        except (OSError, ValueError) as error:  # ValueError: a label that is empty or too long
            told.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        found = told.get(timeout=seconds)
    except Empty:
        raise TimeoutError("its name was not found in time") from None
    if isinstance(found, Exception):
        raise OSError(f"its name was not found ({found})") from found
    return found


@contextmanager
def _connected(
    parts: SplitResult, networks: Collection[str], seconds: float, connect_seconds: float
) -> Iterator[HTTPConnection]:
    """A connection that is cut off when its time is over, whatever it is doing then."""
    begun = monotonic()
    port = parts.port or PORTS[parts.scheme]
    addresses = _resolved(parts.hostname or "", connect_seconds)
    _require_allowed(parts, addresses, networks)
    with closing(HTTPConnection(parts.hostname or "", port)) as connection:
        stream = connection.sock = _reach(addresses, port, begun + connect_seconds)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            stream = connection.sock = context.wrap_socket(stream, server_hostname=parts.hostname)
        stream.settimeout(seconds)
        timer = Timer(max(begun + seconds - monotonic(), 0), _cut, [stream])
        timer.start()
        try:
            yield connection
        finally:
            timer.cancel()
        if monotonic() >= begun + seconds:  # what was read until then may be a part
            raise TimeoutError("it is too slow")


def _reach(addresses: list[str], port: int, ends: float) -> socket.socket:
    """A socket to the first that takes the call; each gets its share of the time."""
    failed: OSError = OSError("its name has no address")
    for position, address in enumerate(addresses):
        share = max((ends - monotonic()) / (len(addresses) - position), 0.01)
        stream = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            stream.settimeout(share)
            stream.connect((address, port))
        except OSError as error:
            stream.close()
            failed = error
            continue
        stream.settimeout(max(ends - monotonic(), 0.01))  # for TLS
        return stream
    raise failed


def _cut(stream: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        stream.shutdown(socket.SHUT_RDWR)


def _read(answer: HTTPResponse, most_bytes: int) -> Answer:
    body = answer.read(most_bytes + 1)
    cut = len(body) > most_bytes
    return Answer(answer.status, dict(answer.getheaders()), body[:most_bytes], cut, bool(answer.length) and not cut)
