"""PostgreSQL's own load generator, from the package that the embedded server comes from."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from django.db import connection

from config.embedded import places, postgres
from config.environment import state_dir


def rate(script: str, *, clients: int, turns: int, **variables: int) -> float:
    """
    Transactions a second, when each client runs the script so many times, prepared, over a connection of its own. It
    has `:client_id`, `:turn` from 0 on, `:turns`, and the given variables.
    """
    database = connection.settings_dict
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(f"{script}\n\\set turn :turn + 1\n")
        file.flush()
        done = subprocess.run(
            [
                str(postgres.programs_of(places.home(state_dir())) / "pgbench"),
                *("--no-vacuum", "--protocol=prepared", f"--file={file.name}"),
                *(f"--client={clients}", f"--jobs={min(clients, os.cpu_count() or 1)}", f"--transactions={turns}"),
                *(f"--define={name}={value}" for name, value in (variables | {"turns": turns, "turn": 0}).items()),
                str(database["NAME"]),
            ],
            env=os.environ | {"PGHOST": str(database["HOST"]), "PGUSER": str(database["USER"])},
            cwd=Path(file.name).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if not found or done.returncode:
        raise RuntimeError(done.stderr)
    return float(found[1])
