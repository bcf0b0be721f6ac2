"""`python -m standins.redfish`: one BMC. Only for tests: it needs sushy-tools."""

import argparse
import logging
import ssl
from pathlib import Path

from standins.redfish import board, certificate


def main() -> None:
    """Reads the arguments and serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m standins.redfish", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--state", type=Path, required=True, help="directory that survives restarts")
    parser.add_argument("--user", default="root")
    parser.add_argument("--password", required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.state.mkdir(parents=True, exist_ok=True)
    files = certificate.own(arguments.state)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server = board.server(
        state=arguments.state, port=arguments.port, user=arguments.user, password=arguments.password, context=context
    )
    print(f"Redfish stand-in at https://127.0.0.1:{server.server_port}#sha256:{files.fingerprint}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
