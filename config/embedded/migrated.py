"""
A database with every migration applied, in files that each group of tests copies: applying them takes half a minute.

`python -m config.embedded.migrated FOLDER` makes it.
"""

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from config.embedded import postgres
from config.part import stop, wait_ready

NAME = "test_postgres"  # what Django's test runner calls the database of the embedded server
SETTINGS = {"SECRET_KEY": "x", "REDIS_URL": "redis://none"}  # Django wants both, and migrating neither


def main(folder: Path) -> int:
    """Make it; the exit status of `migrate`."""
    server, url = postgres.part(folder, settings=postgres.TEST_SETTINGS)
    process = server.spawn(subprocess.DEVNULL)
    try:
        wait_ready(server, process)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {NAME}")
        env = os.environ | SETTINGS | {"DATABASE_URL": url.replace("/postgres?", f"/{NAME}?")}
        return subprocess.call([sys.executable, "manage.py", "migrate", "--verbosity", "0", "--skip-checks"], env=env)
    finally:
        stop(server, process)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
