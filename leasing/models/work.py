"""Rows that a site's worker works on: who holds one, until when, and what the last attempt said."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import F

from accounts.models import Stateful

# Fields of a move that takes the row from its holder: who acts on it still writes nothing, here and on the host, and
# the next one need not wait.
FENCED: Mapping[str, Any] = {"work_epoch": F("work_epoch") + 1, "work_until": None}


class Worked(Stateful):
    """
    Work on a host. A worker that takes the row raises `work_epoch`; only the holder of the newest epoch may write a
    result, here and on the host.
    """

    step = models.CharField(max_length=60, blank=True, help_text="What is being done, in words.")
    detail = models.CharField(max_length=300, blank=True, help_text="What the last attempt said, for staff.")
    work_epoch = models.PositiveIntegerField(default=0)
    work_until = models.DateTimeField(null=True, blank=True, help_text="Until when the holder has it for itself.")
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True
