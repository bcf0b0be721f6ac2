"""A site's miners from a CSV file: new ones come, known ones (by name) are corrected; all of the file or nothing."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from ipaddress import ip_address

from django.db import transaction

from accounts import seal
from accounts.operations import record
from energy.miners import PURPOSE, allowed
from energy.models import Miner, MinerClass
from marketplace.models import Site

COLUMNS = ("name", "class", "address", "port", "user", "password")
NEEDED = ("name", "class", "address")
MOST_ROWS = 50_000
MOST_ERRORS = 20  # more of them say nothing new
LONGEST = {"name": 80, "user": 32, "password": 200}
PORT = 4028


class BadFleet(Exception):
    """The file cannot be taken. `errors` name line and column, what is wrong, and what it must be."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True)
class Taken:
    """How many miners came, and how many were corrected."""

    added: int
    changed: int


@transaction.atomic
def take_fleet(*, site: Site, text: str, actor: str, now: datetime) -> Taken:
    """
    Make the site's miners what the file says. Miners that it does not name stay. A miner that comes counts as awake.

    :raises BadFleet: if anything is wrong with any line; then nothing is changed
    """
    rows = _checked(list(_lines(text)))
    known = {row.name: row for row in Miner.objects.select_for_update().filter(site=site)}
    classes = {kind.slug: kind for kind in MinerClass.objects.all()}
    miners = [_row(row, classes[row["class"]], known.get(row["name"]), site, now) for row in rows]
    _check_addresses({**known, **{miner.name: miner for miner in miners}})
    new = [miner for miner in miners if miner.pk is None]
    Miner.objects.bulk_create(new, batch_size=2000)
    old = [miner for miner in miners if miner.name in known]
    Miner.objects.bulk_update(old, ["miner_class", "address", "port", "user", "password"], batch_size=500)
    taken = Taken(len(new), len(old))
    data = {"added": taken.added, "changed": taken.changed}
    record(organization=None, kind="miners.taken", subject=site.slug, actor=actor, at=now, data=data)
    return taken


def _lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(StringIO(text), restkey="more", restval="", strict=True)
    try:
        columns, rows = reader.fieldnames or [], [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise BadFleet([f"line {reader.line_num}: not CSV: {error}."]) from error
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise BadFleet([f"line 1: there is no column {', '.join(unknown)}. There are: {', '.join(COLUMNS)}."])
    if missing := [name for name in NEEDED if name not in columns]:
        raise BadFleet([f"line 1: the column {' and '.join(missing)} is missing."])
    if not 0 < len(rows) <= MOST_ROWS:
        raise BadFleet([f"The file names {len(rows)} miners; take 1 to {MOST_ROWS:,}."])
    if longer := [str(number) for number, row in rows if "more" in row]:
        raise BadFleet([f"line {', '.join(longer[:MOST_ERRORS])}: more values than there are columns."])
    yield from rows


def _checked(lines: Sequence[tuple[int, dict[str, str]]]) -> list[dict[str, str]]:
    classes, names = set(MinerClass.objects.values_list("slug", flat=True)), set[str]()
    errors = []
    for number, row in lines:
        errors += [f"line {number}, {column}: {words}" for column, words in _wrong(row, classes)]
        if row["name"] in names:
            errors.append(f"line {number}, name: {row['name']} is in the file twice.")
        names.add(row["name"])
    if errors:
        raise BadFleet([*errors[:MOST_ERRORS], *(["…"] if len(errors) > MOST_ERRORS else [])])
    return [row for _, row in lines]


def _wrong(row: Mapping[str, str], classes: set[str]) -> Iterator[tuple[str, str]]:
    if not row["name"]:
        yield "name", "Say where it stands, such as A-07-3-12."
    for column, most in LONGEST.items():
        if len(row.get(column, "")) > most or not row.get(column, "").isprintable():
            yield column, f"Use at most {most} printable characters."
    if row["class"] not in classes:
        yield "class", f"There is no such class of miners. There are: {', '.join(sorted(classes)) or 'none yet'}."
    if row.get("port") and not (row["port"].isascii() and row["port"].isdigit() and 1 <= int(row["port"][:6]) <= 65535):
        yield "port", "A port is a number from 1 to 65535."
    if (problem := _wrong_address(row["address"])) is not None:
        yield "address", problem


def _wrong_address(text: str) -> str | None:
    try:
        ip_address(text)
    except ValueError:
        return "Use an IP address."
    return None if allowed(text) else "It is in none of the networks of miners (MINER_NETWORKS)."


def _check_addresses(miners: Mapping[str, Miner]) -> None:
    """No two at one address; a file may swap them."""
    at: dict[tuple[str, int], str] = {}
    twice = [
        f"{name}, address: {other} is at {miner.address} port {miner.port}, too."
        for name, miner in miners.items()
        if (other := at.setdefault((str(ip_address(miner.address)), miner.port), name)) != name
    ]
    if twice:
        raise BadFleet(twice[:MOST_ERRORS])


def _row(row: Mapping[str, str], kind: MinerClass, known: Miner | None, site: Site, now: datetime) -> Miner:
    miner = known or Miner(site=site, name=row["name"], since=now, load_watts=kind.watts)
    miner.miner_class, miner.address, miner.port = kind, row["address"], int(row.get("port") or PORT)
    miner.user = row.get("user", "")
    if password := row.get("password", ""):
        miner.password = seal.seal(password, purpose=PURPOSE)
    return miner
