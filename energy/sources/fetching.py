"""One bounded GET: so long, so much, no redirects, and not into the operator's own network unless that is meant."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from threading import Timer
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from energy.sources.parsing import BadSource

SECONDS = 10.0  # for all of it, however slowly it trickles
MOST_BYTES = 2_000_000
PORTS = {"http": 80, "https": 443}


def get(url: str, *, private: bool, seconds: float = SECONDS, most_bytes: int = MOST_BYTES) -> bytes:
    """
    What an address answers. The name is looked up once and that very address is called, so it cannot change between
    the check and the call. Plain http, and addresses that are not public, are for `private` sources alone.

    :raises BadSource: if there is no answer of 200 in time, it is too long, or its address is not allowed
    """
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS[parts.scheme]
        if not parts.hostname or (parts.scheme == "http" and not private):
            raise BadSource("The address must begin with https://, or be one within the operator's network.")
        with _connected(parts, _address(parts.hostname, port, private=private), seconds) as connection:
            return _read(connection, parts, most_bytes)
    except (KeyError, ValueError) as error:
        raise BadSource("This is no address that can be asked: use https://.") from error
    except (OSError, HTTPException) as error:
        raise BadSource(
            f"No answer from {parts.hostname} within {seconds:g} s: {error or type(error).__name__}."
        ) from error


def _address(host: str, port: int, *, private: bool) -> tuple[str, int]:
    """The first of its addresses; all must be public unless `private`: else one of them might be asked by chance."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not private and not all(ip_address(address).is_global for address in found):
        raise BadSource(f"{host} is not an address of the public internet. Allow private addresses if it is a meter.")
    return found[0], port


@contextmanager
def _connected(parts: SplitResult, address: tuple[str, int], seconds: float) -> Iterator[HTTPConnection]:
    """A connection that is cut off when its time is over, whatever it is doing then."""
    end = monotonic() + seconds
    with closing(HTTPConnection(parts.hostname or "", address[1], timeout=seconds)) as connection:
        stream = connection.sock = socket.create_connection(address, timeout=seconds)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            stream = connection.sock = context.wrap_socket(stream, server_hostname=parts.hostname)
        timer = Timer(max(end - monotonic(), 0), _cut, [stream])
        timer.start()
        try:
            yield connection
        finally:
            timer.cancel()
        if monotonic() >= end:  # what was read until then may be a part
            raise TimeoutError("it is too slow")


def _cut(stream: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        stream.shutdown(socket.SHUT_RDWR)


def _read(connection: HTTPConnection, parts: SplitResult, most_bytes: int) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers={"Accept": "application/json, text/csv", "User-Agent": "Gridlease"})
    with closing(connection.getresponse()) as answer:
        if answer.status != 200:
            raise BadSource(f"{parts.hostname} answered {answer.status} instead of 200; redirects are not followed.")
        body = answer.read(most_bytes + 1)
        if len(body) > most_bytes:
            raise BadSource(f"The answer is longer than {most_bytes} bytes. Ask for fewer days at once.")
        if answer.length:  # of what was promised
            raise BadSource(f"The answer of {parts.hostname} broke off.")
        return body
