"""`manage.py check_invariants`: whether everything that must hold does hold."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.clock import now
from billing.invariants import RULES, broken


class Command(BaseCommand):
    """Reads only. Ends with status 1, naming each row, when something is broken."""

    help = "Check the product's invariants: claims, stock, wipes, ledger, states."

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(broken(now=now()))
        if found:
            raise CommandError("\n".join(found))
        self.stdout.write(f"{len(RULES)} rules hold.")
