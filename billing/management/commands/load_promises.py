"""Announces the rules of `billing/promises.toml` that are new."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.clock import now
from billing import promising


class Command(BaseCommand):
    """`./run manage load_promises`"""

    help = "Announce the credit rules of billing/promises.toml that are new or changed."

    def handle(self, *_: Any, **__: Any) -> None:
        """Safe to run as often as one likes."""
        for rule in promising.load(now=now()):
            self.stdout.write(f"Announced: {rule}.")
