"""
What must hold at every moment of rest, whatever has failed before; each rule is a statement that finds what breaks it.
Run after every fault test, and by `manage.py check_invariants`.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection

from billing.invariants import credited, ledger, papers, states, stock, usage

RULES = (*stock.RULES, *ledger.RULES, *usage.RULES, *papers.RULES, *credited.RULES, *states.RULES)


def broken(*, now: datetime) -> Iterator[str]:
    """A sentence for each thing that breaks a rule."""
    with connection.cursor() as cursor:
        for rule in RULES:
            cursor.execute(rule.finds, {"now": now})
            for (what,) in cursor.fetchall():
                yield f"{rule.number} {rule.says} Broken by {what}."
