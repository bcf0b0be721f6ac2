"""Brings the database up to date: tables, who may do what with them, catalogue and, when embedded, the demonstration.
One process for all, as the owner of the tables.

A stamp of everything that this depends on lets the embedded system skip it when nothing changed.
"""

import hashlib
import os
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

SOURCES = ("*/migrations/*.py", "marketplace/catalogue/**/*", "*/management/commands/*.py")


def main() -> None:
    """Do what is not done yet."""
    os.environ["AS_OWNER"] = "1"
    stamp = settings.STATE_DIR / "prepared.sha256"
    if settings.EMBEDDED and stamp.exists() and stamp.read_text() == _wanted():
        print("Nothing changed since the database was prepared.")
        return
    django.setup()
    call_command("migrate", interactive=False, verbosity=1, skip_checks=True)
    if settings.DATABASE_OWNER_URL:
        call_command("grant_application", skip_checks=True)
    call_command("load_catalogue", skip_checks=True)
    if settings.EMBEDDED:
        call_command("seed_demo", skip_checks=True)
        call_command("seed_power", skip_checks=True)
        stamp.write_text(_wanted())


def _wanted() -> str:
    """A digest of what the database is prepared from, of which database it is, and of our address."""
    digest = hashlib.sha256(settings.BASE_URL.encode())
    for pattern in SOURCES:
        for file in sorted(Path(settings.BASE_DIR).glob(pattern)):
            if file.is_file() and file.suffix != ".pyc":
                digest.update(str(file).encode() + file.read_bytes())
    for born in (Path(settings.DATABASES["default"]["HOST"]) / "PG_VERSION", settings.STATE_DIR / "demo.json"):
        digest.update(str(born.stat().st_ctime_ns if born.exists() else "absent").encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
