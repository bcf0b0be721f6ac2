"""The certificate for people to read, print and file. The same document gives the same bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Flowable, KeepTogether, Paragraph, Spacer, Table

from accounts import paper
from leasing.certificates.document import SIMULATED, Document, check_words

LONGEST_WORDS = 1200  # of one check; the signed file has all of it
DEVICES = {"disk": "Disk", "gpu": "GPU"}


@dataclass(frozen=True)
class Seal:
    """The signed file that goes with it: its name, under which word it holds what is signed, its SHA-256, and the
    fingerprint of the key that signed."""

    file: str
    part: str
    sha256: str
    key_id: str


def render(document: Document, seal: Seal) -> bytes:
    """The pages."""
    content = document.content
    return paper.pages(
        _story(document, seal),
        title=f"{content['kind'].capitalize()} for lease {content['lease']['id']}",
        words=f"As of {_moment(content['as_of'])}",
        subject=f"SHA-256 of {seal.file}: {seal.sha256}",
    )


def _story(document: Document, seal: Seal) -> Iterator[Flowable]:
    content = document.content
    yield Paragraph(content["kind"].capitalize(), paper.TITLE)
    yield Paragraph(f"Lease {_words(content['lease']['id'])} of {_words(content['organization']['name'])}", paper.TEXT)
    yield Spacer(1, 10)
    yield _verdict(document)
    yield Spacer(1, 8)
    yield _facts(content)
    yield Paragraph("What was done, and what was not", paper.SECTION)
    said = [words for words in content["statement"][1:] if words != SIMULATED]
    yield from (Paragraph(_words(words), paper.ITEM, bulletText="•") for words in said)
    for machine in content["machines"]:
        yield from _machine(machine)
    yield _how_to_verify(seal)


def _verdict(document: Document) -> Flowable:
    content = document.content
    nodes = len({machine["node"]["id"] for machine in content["machines"]})
    proven = len({machine["node"]["id"] for machine in content["machines"] if machine["proven"]})
    if document.proven:
        tone, title = paper.box(paper.ACCENT, paper.GOOD_SOFT), f"Proven clean: {_nodes(nodes)}"
    else:
        tone, title = paper.box(paper.BAD, paper.BAD_SOFT), f"Not proven: {proven} of {_nodes(nodes)} proven clean"
    rows = [[Paragraph(title, paper.BOLD)], [Paragraph(_words(content["statement"][0]), paper.TEXT)]]
    boxes: list[Flowable] = [Table(rows, colWidths=[paper.COLUMN], style=tone)]
    if content["simulated"]:
        words = [[Paragraph("Simulated nodes", paper.BOLD)], [Paragraph(_words(SIMULATED), paper.TEXT)]]
        warning = paper.box(paper.WARN, paper.WARN_SOFT)
        boxes += [Spacer(1, 6), Table(words, colWidths=[paper.COLUMN], style=warning)]
    return KeepTogether(boxes)


def _facts(content: dict[str, Any]) -> Flowable:
    organization, site, lease = content["organization"], content["site"], content["lease"]
    facts = [
        ("Organization", f"{organization['name']} ({organization['id']})"),
        ("Site", f"{site['name']}, {site['place']}" if site["name"] not in site["place"] else site["place"]),
        ("Node type", content["node_type"]["name"]),
        ("Lease began", _moment(lease["began_at"])),
        ("Lease ended", _moment(lease["ended_at"])),
        ("Last wipe ended", _moment(content["as_of"])),
    ]
    return paper.facts(facts)


def _machine(machine: dict[str, Any]) -> Iterator[Flowable]:
    node, end = machine["node"], _moment(machine["access_ended_at"]) if machine["access_ended_at"] else "not on record"
    word = "proven clean" if machine["proven"] else "not proven clean"
    first, *others = machine["wipes"] or [None]
    head = [
        Paragraph(f"Node {_words(node['name'])}: {word}", paper.SECTION),
        Paragraph(
            f"{node['id']} · machine {machine['id']}<br/>In use from {_moment(machine['used_from'])}. "
            f"The tenant's access ended: {end}.",
            paper.QUIET,
        ),
    ]
    if first is None:
        yield KeepTogether([*head, Paragraph("No wipe of it is on record.", paper.TEXT)])
        return
    yield from _wipe(first, head)
    for wipe in others:
        yield from _wipe(wipe, [])


def _wipe(wipe: dict[str, Any], head: Sequence[Flowable]) -> Iterator[Flowable]:
    word = "verified" if wipe["verified"] else "not verified"
    title = Paragraph(f"Wipe {wipe['id']}: {word}", paper.PART)
    facts = [
        ("Method", wipe["method"]),
        ("Began", _moment(wipe["started_at"])),
        ("Ended", _moment(wipe["completed_at"])),
    ]
    yield KeepTogether([*head, title, paper.facts(facts)])
    yield Spacer(1, 6)
    checks = [
        [_cell(check_words(check["name"])), _result(check["passed"]), _cell(check.get("detail", ""))]
        for check in wipe["checks"]
    ]
    yield paper.table([_heads("Check", "Result", "What was seen"), *checks], (0.24, 0.13, 0.63), heads=1)
    if wipe["devices"]:
        yield Spacer(1, 6)
        yield paper.table(
            [_heads("Part", "Name", "Serial number", "Size"), *_devices(wipe)], (0.1, 0.4, 0.36, 0.14), heads=1
        )


def _devices(wipe: dict[str, Any]) -> Iterator[list[Flowable]]:
    for device in wipe["devices"]:
        kind = DEVICES.get(device["kind"], device["kind"])
        serial = _cell(device.get("serial") or "not told", paper.MONO)
        yield [_cell(kind), _cell(device.get("name", "")), serial, _cell(str(device.get("size", "")))]


def _how_to_verify(seal: Seal) -> Flowable:
    steps = (
        f"What is signed is the file {seal.file}, from the same place as this page. Its SHA-256 must be the one below.",
        f"Take the public key with the fingerprint below from {settings.BASE_URL}/api/v1/certificate-keys, as key.pem.",
        "Check the signature, with jq and OpenSSL 3 for example:",
    )
    commands = (
        f"jq -jcS .{seal.part} {seal.file} > signed",
        f"jq -r .signature.value {seal.file} | base64 -d > signature",
        "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in signed -sigfile signature",
    )
    rows = [
        [_cell("SHA-256", paper.QUIET), _cell(seal.sha256, paper.MONO)],
        [_cell("Signed with (Ed25519)", paper.QUIET), _cell(seal.key_id, paper.MONO)],
    ]
    return KeepTogether(
        [
            Paragraph("How to verify", paper.SECTION),
            *(Paragraph(_words(words), paper.STEP, bulletText=f"{n}.") for n, words in enumerate(steps, start=1)),
            *(Paragraph(_words(words), paper.COMMAND) for words in commands),
            Spacer(1, 6),
            paper.table(rows, (0.24, 0.76)),
        ]
    )


def _heads(*words: str) -> list[Flowable]:
    return [_cell(word, paper.HEAD) for word in words]


def _cell(words: str, look: ParagraphStyle = paper.SMALL) -> Flowable:
    return Paragraph(_words(words), look)


def _result(passed: bool) -> Flowable:  # noqa: FBT001
    return Paragraph("passed" if passed else "FAILED", paper.PASSED if passed else paper.FAILED)


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _words(text: str) -> str:
    """As the fonts can show it, and never as markup. What they cannot show is "?"; the signed file has it."""
    shown = text if len(text) <= LONGEST_WORDS else f"{text[:LONGEST_WORDS]} … (the rest is in the signed file)"
    return paper.shown(shown)


def _moment(told: str | None) -> str:
    """ "2026-03-02T12:00:00.123456Z" as people read it."""
    return f"{told[:10]} {told[11:19]} UTC" if told else "not on record"
