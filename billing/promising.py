"""The rules by which credits are given, announced ahead like the terms of a plan, and the first of them."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from django.db import transaction

from accounts.operations import record
from billing.models import RULES_AHEAD, CreditRule, Promise

FILE = Path(__file__).with_name("promises.toml")
FIGURES = ("from_seconds", "percent", "most_percent")


class RuleRefused(Exception):
    """The rule cannot be announced; the message says why, and the way out."""


@transaction.atomic
def announce(
    *, kind: Promise, figures: Mapping[str, int], starts_at: datetime, actor: str, now: datetime
) -> CreditRule:
    """
    Publish a rule for what is ordered from `starts_at` on; `figures` are FIGURES. Leases that were ordered before keep
    theirs.

    :raises RuleRefused: for a start less than 7 days ahead, unless it is the first of its kind; or for wrong figures
    """
    earliest = now + RULES_AHEAD if CreditRule.objects.filter(kind=kind).exists() else now
    if starts_at < earliest:
        raise RuleRefused(f"{kind}: choose a start from {earliest:%Y-%m-%d %H:%M} UTC on: customers must know of it.")
    if set(figures) != set(FIGURES) or not 0 <= figures["percent"] <= 10_000 or not 0 <= figures["most_percent"] <= 100:
        raise RuleRefused(f"{kind}: give {', '.join(FIGURES)}; percent up to 10000, most_percent up to 100.")
    rule = CreditRule.objects.create(kind=kind, announced_at=now, starts_at=starts_at, **figures)
    data = {"rule": rule.pk, "starts_at": starts_at, **figures}
    record(organization=None, kind="promise.announced", subject=kind, actor=actor, at=now, data=data)
    return rule


@transaction.atomic
def load(*, now: datetime) -> list[CreditRule]:
    """Announce what the file says and the newest rule of a kind does not. Returns those that are new."""
    new = list[CreditRule]()
    for kind, said in tomllib.loads(FILE.read_text()).items():
        figures = {name: said[name] for name in FIGURES}
        newest = CreditRule.objects.filter(kind=kind).order_by("-starts_at").first()
        if newest is None or any(getattr(newest, name) != value for name, value in figures.items()):
            starts_at = now + RULES_AHEAD if newest else now
            new.append(
                announce(kind=Promise(kind), figures=figures, starts_at=starts_at, actor="system:billing", now=now)
            )
    return new
