"""`python -m standins.nodes`: the sandbox node host, which plays every simulated node of a demonstration."""

import argparse
import asyncio
import logging
from pathlib import Path

from standins.nodes.control import run


def main() -> None:
    """Reads the arguments and serves until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m standins.nodes", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="control port; 0 picks a free one")
    parser.add_argument("--state", type=Path, required=True, help="directory that survives restarts")
    parser.add_argument("--authorized-key", type=Path, required=True, help="the operator's public key file")
    parser.add_argument("--host", default="127.0.0.1", help="control address")
    parser.add_argument("--tenant-host", default="127.0.0.1", help="address at which tenants log in")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    try:
        asyncio.run(
            run(
                address=arguments.host,
                port=arguments.port,
                directory=arguments.state,
                authorized_key=arguments.authorized_key,
                tenant_address=arguments.tenant_host,
            )
        )
    except OSError as error:
        raise SystemExit(f"The sandbox node host cannot start on {arguments.host}:{arguments.port}: {error}") from error


if __name__ == "__main__":
    main()
