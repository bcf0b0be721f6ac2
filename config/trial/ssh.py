"""The customer's way onto a machine: the OpenSSH client, the customer's key, the host key that the API told."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from config.part import Trouble
from config.trial.api import Wrong


def run(ssh: dict[str, Any], key: str, command: str) -> str:
    """What the command prints. Raises Wrong when the log-in or the command fails."""
    done = _call(ssh, key, command)
    if done.returncode:
        raise Wrong(f"ssh to {ssh['host']}:{ssh['port']} failed with {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def refused(ssh: dict[str, Any], key: str) -> bool:
    """Whether the machine admits the key no longer."""
    return _call(ssh, key, "true").returncode != 0


def _call(ssh: dict[str, Any], key: str, command: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as directory:
        known_hosts = Path(directory) / "known_hosts"
        known_hosts.write_text(f"[{ssh['host']}]:{ssh['port']} {ssh['host_key']}\n{ssh['host']} {ssh['host_key']}\n")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(known_hosts),
        }
        argv = ["ssh", "-F", "none", "-i", key, "-p", str(ssh["port"])]
        argv += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        argv += [f"{ssh['user']}@{ssh['host']}", command]
        try:
            return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError:
            raise Trouble("The OpenSSH client is missing: as root, run apt-get install openssh-client.") from None
        except subprocess.TimeoutExpired:
            raise Wrong(f"ssh to {ssh['host']}:{ssh['port']} did not answer within 60 s.") from None
