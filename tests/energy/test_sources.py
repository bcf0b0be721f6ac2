"""Asking an address: a real server on this machine, that is slow, long, wrong, or sends one elsewhere."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from energy.sources import BadSource, Told, get, parse
from tests.factories import HOUR, NOON


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        getattr(self, self.path.split("?")[0].strip("/"))()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _send(self, body: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def good(self) -> None:
        self._send(b'{"asked": "%s"}' % self.path.encode())

    def told(self) -> None:
        self._send(b'[{"at": "2026-03-02T12:00:00Z", "v": 7}]')

    def away(self) -> None:
        self._send(b"", status=302, Location="/good")

    def endless(self) -> None:
        self._send(b"x" * 5000)

    def broken(self) -> None:
        self._send(b"half", length=100)

    def trickle(self) -> None:
        self._send(b"at,value\n")
        try:
            while not self.server.over.wait(0.02):  # type: ignore[attr-defined]
                self.wfile.write(b"1")
        except OSError:
            pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.over = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_an_answer_is_read_whole_with_the_question_that_was_asked(server: str) -> None:
    assert get(f"{server}/good?zone=SE", private=True) == b'{"asked": "/good?zone=SE"}'


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("away", "302 instead of 200"),
        ("endless", "longer than 1000 bytes"),
        ("broken", "broke off"),
        ("trickle", "within 0.3 s"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_and_nothing_of_it_is_taken(server: str, path: str, words: str) -> None:
    with pytest.raises(BadSource, match=words):
        get(f"{server}/{path}", private=True, seconds=0.3, most_bytes=1000)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/", "https://"),
        ("https://127.0.0.1:1/", "not an address of the public internet"),
        ("https://localhost:1/", "not an address of the public internet"),
        ("https://169.254.169.254/latest/meta-data", "not an address of the public internet"),
        ("https://[::ffff:10.0.0.1]/", "not an address of the public internet"),
        ("file:///etc/passwd", "no address"),
        ("https://", "https://"),
    ],
)
def test_nothing_within_the_house_is_asked_unless_that_is_meant(url: str, words: str) -> None:
    with pytest.raises(BadSource, match=words):
        get(url, private=False)


def test_json_and_csv_are_read_by_the_feeds_mapping() -> None:
    mapping = {"rows": "data.prices", "at": "time.from", "value": "0.lmp", "scale": "1000000"}
    nested = b'{"data": {"prices": [{"time": {"from": "2026-03-02T07:00:00-05:00"}, "0": {"lmp": 27.415}}]}}'
    assert parse(nested, form="json", mapping=mapping, step=HOUR) == [Told(NOON, NOON + HOUR, 27_415_000)]
    table = "start,end,MW\n1772452800,2026-03-02T12:15:00Z,-1.5\n"
    columns = {"at": "start", "until": "end", "value": "MW", "scale": "1000000"}
    with pytest.raises(BadSource, match="Row 1, at: '1772452800' is not a time"):
        parse(table, form="csv", mapping=columns, step=HOUR)
    assert parse(table.replace("1772452800", "2026-03-02T12:00:00Z"), form="csv", mapping=columns, step=HOUR) == [
        Told(NOON, NOON + timedelta(minutes=15), -1_500_000)
    ]
    epoch = b'[{"at": 1772452800, "value": 4}]'
    assert parse(epoch, form="json", mapping={}, step=HOUR)[0].starts_at == datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "body", "words"),
    [
        ("json", b"{", "not JSON"),
        ("json", b"[" * 100_000, "not JSON"),
        ("json", b"{}", "not a list"),
        ("json", b"\xff", "UTF-8"),
        ("csv", "at,value\n2026-03-02T12:00:00,1\n", "Row 1, at: .* does not say its zone"),
        ("csv", "at,value\n2026-03-02T12:00:00Z,dear\n", "Row 1, value: 'dear' is not a number"),
        ("csv", "at,value\n2026-03-02T12:00:00Z,NaN\n", "Row 1, value"),
        ("csv", "at,value\n2026-03-02T12:00:00Z,1e40\n", "too large"),
        ("csv", "at\n2026-03-02T12:00:00Z\n", "value: there is no value"),
        ("csv", "at,until,value\n2026-03-02T12:00:00Z,2026-03-02T12:00:00Z,1\n", "later than the start"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_row_and_part(form: str, body: str | bytes, words: str) -> None:
    mapping = {"until": "until"} if "until" in str(body) else {}
    with pytest.raises(BadSource, match=words):
        parse(body, form=form, mapping=mapping, step=HOUR)
