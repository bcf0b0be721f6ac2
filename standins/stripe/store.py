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
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, endpoint TEXT, fingerprint TEXT, status INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS deliveries (
  id INTEGER PRIMARY KEY, event TEXT, state TEXT, forged INTEGER, attempts INTEGER, started_at REAL, due_at REAL,
  status INTEGER, error TEXT);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, due_at);
"""


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

    def newest(self, kind: str, wanted: Callable[[JSON], bool]) -> list[JSON]:
        """Every object of the kind that is wanted, newest first."""
        rows = self.execute("SELECT body FROM objects WHERE kind = ? ORDER BY seq DESC", kind)
        return [item for row in rows if wanted(item := json.loads(row["body"]))]
