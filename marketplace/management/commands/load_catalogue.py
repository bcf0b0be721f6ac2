"""`manage.py load_catalogue`: sites, machines, plans and prices from the catalogue's files into the database."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.clock import now
from marketplace.catalogue import BadCatalogue, CatalogueShrunk, load


class Command(BaseCommand):
    """Safe to run at every start: it writes only what differs."""

    help = "Load the catalogue's files. Adds and corrects, never deletes; a changed price applies from now on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--node-limit", type=int, metavar="N", help="add at most N nodes to each pool")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            summary = load(now=now(), node_limit=options["node_limit"])
        except (BadCatalogue, CatalogueShrunk) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Catalogue: {summary}.")
