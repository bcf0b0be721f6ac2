"""The environment of the embedded system: secrets and keys made once and kept in var/, services unless set outside."""

import fcntl
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from config import ports
from config.embedded import postgres, valkey
from config.part import Part

ROOT = Path(__file__).resolve().parent.parent
BATTERY = "127.82.0.1"  # the hub's: 10 MW for two hours
MINERS = "s21:160,s19jpro:80"  # at the hub: 0.8 MW, and the older ones are worth their power at some hours only


@dataclass(frozen=True)
class Services:
    """The variables that Django needs, and the parts that have to run for them to be true."""

    env: dict[str, str]
    parts: list[Part]


def state_dir() -> Path:
    """Where everything that outlives the process is kept."""
    return Path(os.environ.get("STATE_DIR", ROOT / "var")).resolve()


def databases(*, port: int) -> Services:
    """PostgreSQL and Valkey, embedded where no URL is set, and the secrets. Enough for manage.py. Raises Trouble."""
    state = state_dir()
    state.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ) | {"STATE_DIR": str(state), "PYTHONUNBUFFERED": "1"}
    env.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    env.setdefault("BASE_URL", f"http://localhost:{port}")  # not 127.0.0.1: passkeys need a name
    env.setdefault("SECRET_KEY", _secret(state / "secret_key"))
    env.setdefault("OPERATOR_KEY", str(state / "operator_key"))
    env.setdefault("CERTIFICATE_KEY", str(state / "certificate_key"))
    for key in ("OPERATOR_KEY", "CERTIFICATE_KEY"):
        keypair(Path(env[key]))
    parts = []
    if "DATABASE_URL" not in env:
        part, env["DATABASE_OWNER_URL"] = postgres.part(state)
        env["DATABASE_URL"] = postgres.applications(env["DATABASE_OWNER_URL"])
        parts.append(part)
        env["GRIDLEASE_EMBEDDED"] = "1"
    if "REDIS_URL" not in env:
        part, env["REDIS_URL"] = valkey.part(state)
        parts.append(part)
    if env.get("GRIDLEASE_EMBEDDED") == "1" and "EMAIL_URL" not in env:
        env.setdefault("EMAIL_DIR", str(state / "mail"))
        Path(env["EMAIL_DIR"]).mkdir(exist_ok=True)
    return Services(env, parts)


def everything(*, port: int) -> Services:
    """The same, and stand-ins for Stripe, nodes, miners and a battery where no real ones are set. Raises Trouble."""
    services = databases(port=port)
    env, parts, state = services.env, list(services.parts), state_dir()
    if "STRIPE_API_KEY" not in env:
        parts.append(_stripe(env, state / "stripe", ports.near(port + 1)))
    if env.get("GRIDLEASE_EMBEDDED") == "1" and "SANDBOX_ADDRESS" not in env:
        parts.append(_nodes(env, state / "nodes", ports.near(port + 101)))  # beyond all that the stand-in may take
    if env.get("GRIDLEASE_EMBEDDED") == "1" and "MINER_NETWORKS" not in env:
        parts.append(_miners(env, ports.near(port + 201)))
    if env.get("GRIDLEASE_EMBEDDED") == "1" and "BATTERY_NETWORKS" not in env:
        parts.append(_battery(env, ports.near(port + 301)))
    return Services(env, parts)


def keypair(path: Path) -> str:
    """The public line of the SSH key at `path`; both files are made when absent."""
    public = path.with_name(path.name + ".pub")
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n")
    return public.read_text().strip()


def write_private(path: Path, content: bytes) -> None:
    """Replace a file that only we may read, in one step."""
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)


def lock() -> IO[str] | None:
    """The right to run the embedded services, held while the file is open; None when another process has it."""
    state_dir().mkdir(parents=True, exist_ok=True)
    file = (state_dir() / "run.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def publish(env: Mapping[str, str]) -> None:
    """Tell other commands what the running system's environment is."""
    own = {name: value for name, value in env.items() if os.environ.get(name) != value}
    write_private(state_dir() / "environment.json", json.dumps(own, indent=2).encode())


def withdraw() -> None:
    """The system runs no longer."""
    (state_dir() / "environment.json").unlink(missing_ok=True)


def published() -> dict[str, str] | None:
    """The running system's environment, or None before it is ready."""
    try:
        own: dict[str, str] = json.loads((state_dir() / "environment.json").read_text())
    except FileNotFoundError:
        return None
    return {**os.environ, **own}


def _secret(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(50).encode())
    return path.read_text()


def _stripe(env: dict[str, str], state: Path, port: int) -> Part:
    env["STRIPE_API_KEY"] = "sk_test_standin"
    env["STRIPE_API_BASE"] = f"http://{ports.HOST}:{port}"
    env["STRIPE_WEBHOOK_SECRET"] = "whsec_" + _secret(state.with_name("stripe_webhook_secret"))
    argv = [sys.executable, "-m", "standins.stripe", "--port", str(port), "--state", str(state)]
    argv += ["--webhook-url", f"{env['BASE_URL']}/stripe/webhook/", "--webhook-secret", env["STRIPE_WEBHOOK_SECRET"]]
    return Part(name="stripe", argv=argv, env=env, cwd=str(ROOT), ready=lambda: ports.answers(port))


def _nodes(env: dict[str, str], state: Path, port: int) -> Part:
    env["SANDBOX_ADDRESS"] = f"{ports.HOST}:{port}"
    env["SANDBOX_HOST_KEY"] = keypair(state / "host_key")
    argv = [sys.executable, "-m", "standins.nodes", "--port", str(port), "--state", str(state)]
    argv += ["--authorized-key", env["OPERATOR_KEY"] + ".pub"]
    return Part(name="nodes", argv=argv, env=env, cwd=str(ROOT), ready=lambda: ports.answers(port))


def _miners(env: dict[str, str], port: int) -> Part:
    env["MINER_NETWORKS"] = "127.80.0.0/16"
    env["EXAMPLE_MINERS"] = f"127.80.0.1:{port} {MINERS}"
    argv = [sys.executable, "-m", "standins.miners", "--port", str(port), "--fleet", MINERS]
    return Part(name="miners", argv=argv, env=env, cwd=str(ROOT), ready=lambda: ports.answers(port))


def _battery(env: dict[str, str], port: int) -> Part:
    env["BATTERY_NETWORKS"] = "127.82.0.0/16"
    env["EXAMPLE_BATTERY"] = f"{BATTERY}:{port}"
    argv = [sys.executable, "-m", "standins.batteries", "--host", BATTERY, "--port", str(port)]
    return Part(name="battery", argv=argv, env=env, cwd=str(ROOT), ready=lambda: ports.answers(port, host=BATTERY))
