"""Tables that are cut by time: a piece is made before it is needed, and dropped whole."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

SLOT = timedelta(seconds=15)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BIRTH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's zero, a midnight: where all pieces are counted from
MAKING = 0x6B1D0012  # advisory lock: two that make the same piece wait for each other


def floor(at: datetime, length: timedelta) -> datetime:
    """The start of the slot, minute, hour or day (UTC) that `at` is in."""
    return at - (at - BIRTH) % length


@dataclass(frozen=True)
class Pieces:
    """The pieces of one partitioned table, each `length` long and named after its start."""

    table: str
    length: timedelta
    pattern: str

    def name(self, at: datetime) -> str:
        """The piece that `at` belongs into."""
        return f"{self.table}_{floor(at, self.length).astimezone(UTC).strftime(self.pattern)}"

    def ensure(self, moments: Collection[datetime]) -> None:
        """Make the pieces for these moments, where they are missing."""
        missing = self._missing({self.name(at): floor(at, self.length) for at in moments})
        if not missing:
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MAKING])
            for name, start in sorted(self._missing(missing).items()):
                # Attached, not created in place: that would wait for everybody who writes or reads the table.
                cursor.execute(f"CREATE TABLE {name} (LIKE {self.table} INCLUDING ALL)")
                cursor.execute(
                    f"ALTER TABLE {self.table} ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)",
                    [start, start + self.length],
                )

    def drop(self, start: datetime) -> None:
        """Drop the piece. The whole table is locked first, as readers do: in another order they would deadlock."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(f"DROP TABLE IF EXISTS {self.name(start)}")

    def starts(self) -> list[datetime]:
        """The starts of all pieces that there are, oldest first."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [self.table]
            )
            names = [name for (name,) in cursor.fetchall()]
        return sorted(datetime.strptime(f"{n}+0000", f"{self.table}_{self.pattern}%z") for n in names)

    def drop_before(self, at: datetime) -> None:
        """Drop the pieces that end before `at`."""
        for start in self.starts():
            if start + self.length <= at:
                self.drop(start)

    def _missing(self, wanted: dict[str, datetime]) -> dict[str, datetime]:
        """As the statement sees the catalogue: `to_regclass` answers from what the session remembers of it."""
        with connection.cursor() as cursor:
            cursor.execute(MISSING, [list(wanted)])
            return {name: wanted[name] for (name,) in cursor.fetchall()}


MISSING = """
    SELECT name FROM unnest(%s::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_class WHERE relname = name)
"""
SAMPLES = Pieces("leasing_gpusample", HOUR, "%Y%m%d%H")
PACKS = Pieces("leasing_gpusamplepack", DAY, "%Y%m%d")
MINUTES = Pieces("leasing_gpuminute", DAY, "%Y%m%d")
