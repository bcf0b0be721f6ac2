"""A row whose life is a table: one method moves it, and every move leaves a row behind."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import datetime
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import F


class IllegalMove(Exception):
    """The state table has no such move."""

    def __init__(self, row: Stateful, new: str) -> None:
        super().__init__(f"{row} is {row.state}; it cannot become {new}.")


class Stale(Exception):
    """Somebody else moved the row after it was read. Read it again and decide anew."""

    def __init__(self, row: Stateful) -> None:
        super().__init__(f"{row} is no longer {row.state} (version {row.version}).")


class Stateful(models.Model):
    """
    State kept by a guarded UPDATE: it changes only from the very version that was read.

    Subclasses set `TRANSITIONS` (state -> states it may become) and have a reverse relation `transitions` to their
    `TransitionRow`.
    """

    TRANSITIONS: ClassVar[Mapping[str, Set[str]]] = {}

    state = models.CharField(max_length=20)
    version = models.PositiveIntegerField(default=0, editable=False)
    state_since = models.DateTimeField()
    deadline = models.DateTimeField(
        null=True, blank=True, help_text="When this state ends by itself, in its failed twin."
    )
    reason = models.CharField(max_length=60, blank=True, help_text="Code of why it is in this state.")

    class Meta:
        abstract = True

    def move_to(
        self,
        new: str,
        *,
        at: datetime,
        reason: str = "",
        actor: str = "system",
        deadline: datetime | None = None,
        **fields: Any,
    ) -> None:
        """
        Move to `new`, write `fields` in the same UPDATE, and append the transition.

        :raises IllegalMove: if the table has no such move
        :raises Stale: if the row has moved since it was read; nothing is changed then
        """
        old = self.state
        if new not in self.TRANSITIONS.get(old, frozenset()):
            raise IllegalMove(self, new)
        changes = {"state": new, "state_since": at, "reason": reason, "deadline": deadline, **fields}
        guarded = type(self)._default_manager.filter(pk=self.pk, state=old, version=self.version)
        with transaction.atomic(savepoint=False):
            moved = guarded.update(version=F("version") + 1, **changes)
            if moved:
                self._append(seq=self.version + 1, old=old, new=new, at=at, reason=reason, actor=actor)
        if not moved:
            raise Stale(self)
        for name, value in changes.items():
            setattr(self, name, value)
        self.version += 1

    def begin(self, *, at: datetime, actor: str) -> None:
        """Append the first transition of a row that was just inserted."""
        self._append(seq=self.version, old="", new=self.state, at=at, reason=self.reason, actor=actor)

    def _append(self, **row: Any) -> None:
        transitions: models.Manager[Any] = getattr(self, "transitions")  # noqa: B009 - the reverse relation of each subclass
        transitions.create(**row)


class TransitionRow(models.Model):
    """One change of state: what, when, why, by whom. Append-only; subclasses add the foreign key and the trigger."""

    seq = models.PositiveIntegerField(help_text="The row's version after the move.")
    old = models.CharField(max_length=20, blank=True)
    new = models.CharField(max_length=20)
    at = models.DateTimeField()
    reason = models.CharField(max_length=60, blank=True)
    actor = models.CharField(max_length=60)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.old or 'new'} > {self.new} at {self.at:%Y-%m-%d %H:%M:%S} UTC"
