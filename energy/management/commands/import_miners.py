"""`manage.py import_miners`: a site's miners from a CSV file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.clock import now
from energy.fleets import COLUMNS, BadFleet, take_fleet
from marketplace.models import Site

ACTOR = "system:import_miners"


class Command(BaseCommand):
    """Takes the whole file or nothing. Running it twice changes nothing the second time."""

    help = f"Add and correct a site's miners. Columns: {', '.join(COLUMNS)}; port, user and password may be left out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", required=True, help="slug of the site where they stand")
        words = "in UTF-8; its classes are made in the admin first"
        parser.add_argument("--csv", required=True, type=Path, metavar="FILE", help=words)

    def handle(self, *args: Any, **options: Any) -> None:
        site = Site.objects.filter(slug=options["site"]).first()
        if site is None:
            raise CommandError(f"--site: there is no site {options['site']!r}.")
        try:
            taken = take_fleet(site=site, text=options["csv"].read_text("utf-8-sig"), actor=ACTOR, now=now())
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"--csv: {error}") from error
        except BadFleet as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{taken.added} miners added, {taken.changed} corrected at {site.slug}.")
