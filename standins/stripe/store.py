"""Everything the stand-in knows, in one SQLite file, so that a restart loses nothing."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

JSON = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, kind TEXT, body TEXT);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, seq);
CREATE TABLE IF NOT EXISTS due (id TEXT PRIMARY KEY, at INTEGER, clock TEXT);
CREATE INDEX IF NOT EXISTS due_at ON due (clock, at);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS replies (
  key TEXT PRIMARY KEY, at INTEGER, endpoint TEXT, fingerprint TEXT, status INTEGER, body TEXT, request TEXT);
CREATE TABLE IF NOT EXISTS sendings (
  id INTEGER PRIMARY KEY, event TEXT, endpoint TEXT, state TEXT, forged INTEGER, attempts INTEGER, started_at REAL,
  due_at REAL, status INTEGER, error TEXT);
CREATE INDEX IF NOT EXISTS sendings_due ON sendings (state, due_at);
"""
# The members by which lists are asked for often enough to be worth an index.
INDEXED = ("customer", "invoice", "charge", "source", "subscription")
_SCHEMA += "".join(
    f"CREATE INDEX IF NOT EXISTS objects_{name} ON objects (kind, json_extract(body, '$.{name}'), seq);\n"
    for name in INDEXED
)


class Store:
    """One connection behind one lock: a transaction sees and keeps others out."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(directory / "stripe.sqlite3", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; the methods below are called inside one."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def attempt(self, keeps: Callable[[BaseException], bool]) -> Iterator[None]:
        """Within a transaction: what the block did is undone by an exception, unless that keeps it."""
        self._db.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException as raised:
            if not keeps(raised):
                self._db.execute("ROLLBACK TO attempt")
            raise
        finally:
            self._db.execute("RELEASE attempt")

    def close(self) -> None:
        """Wait for a running transaction, then close the file."""
        with self._lock:
            self._db.close()

    def execute(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of one statement."""
        return self._db.execute(sql, values).fetchall()

    def put(self, item: JSON) -> JSON:
        """Insert the object, or replace the one with its id (which keeps its place in lists)."""
        self.execute(
            "INSERT INTO objects (id, kind, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            item["id"],
            item["object"],
            json.dumps(item),
        )
        return item

    def find(self, reference: str, kind: str | None = None) -> JSON | None:
        """The object with this id (and kind), or None."""
        for row in self.execute("SELECT kind, body FROM objects WHERE id = ?", reference):
            if kind in (None, row["kind"]):
                item: JSON = json.loads(row["body"])
                return item
        return None

    def newest(self, kind: str, wanted: Callable[[JSON], bool] | None = None, **members: Any) -> list[JSON]:
        """Every object of the kind with these members that is wanted, newest first."""
        conditions = "".join(f" AND json_extract(body, '$.{name}') = ?" for name in members)
        sql = f"SELECT body FROM objects WHERE kind = ?{conditions} ORDER BY seq DESC"
        found = [json.loads(row["body"]) for row in self.execute(sql, kind, *members.values())]
        return [item for item in found if not item.get("deleted") and (wanted is None or wanted(item))]

    def schedule(self, reference: str, at: int | None, clock: str | None) -> None:
        """Note when time (of this test clock, or the server's) does something to the object; None for never."""
        if at is None:
            self.execute("DELETE FROM due WHERE id = ?", reference)
        else:
            self.execute("INSERT OR REPLACE INTO due VALUES (?, ?, ?)", reference, at, clock)

    def next_due(self, until: int, clock: str | None) -> tuple[int, JSON] | None:
        """The earliest moment up to `until` and its object."""
        sql = "SELECT id, at FROM due WHERE clock IS ? AND at <= ? ORDER BY at, rowid LIMIT 1"
        for row in self.execute(sql, clock, until):
            item = self.find(row["id"])
            return None if item is None else (row["at"], item)
        return None

    def setting(self, name: str, default: Any = None) -> Any:
        """What `set` kept under the name."""
        rows = self.execute("SELECT value FROM settings WHERE name = ?", name)
        return json.loads(rows[0]["value"]) if rows else default

    def set(self, name: str, value: Any) -> None:
        """Keep a setting of the stand-in itself."""
        self.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, json.dumps(value))
