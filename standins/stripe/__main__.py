"""The process: `python -m standins.stripe --port N --state DIR`."""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from standins.stripe.app import App
from standins.stripe.http import Server
from standins.stripe.store import Store
from standins.stripe.webhooks import Endpoint


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m standins.stripe", description="A Stripe stand-in on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="directory of its database; a restart loses nothing")
    parser.add_argument("--webhook-url", help="where events are posted; none are without it")
    parser.add_argument("--webhook-secret", help="whsec_… that signs them")
    parser.add_argument("--webhook-retry-seconds", type=float, default=1.0, help="first pause; it doubles up to 300 s")
    options = parser.parse_args()
    if options.webhook_url and not options.webhook_secret:
        parser.error("--webhook-url needs --webhook-secret")
    return options


def main() -> int:
    """Serve until SIGTERM or SIGINT; prints the address once it answers."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    store = Store(options.state)
    endpoint = Endpoint(options.webhook_url, options.webhook_secret or "", options.webhook_retry_seconds)
    try:
        server = Server(options.port, lambda request: app.serve(request))  # noqa: PLW0108 - the app needs its port
    except OSError as busy:
        print(f"The Stripe stand-in cannot listen on 127.0.0.1:{options.port}: {busy.strerror}.", file=sys.stderr)
        return 1
    app = App(store, endpoint, f"http://127.0.0.1:{server.server_port}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    app.deliverer.start()
    print(f"Stripe stand-in (no real money) at {app.base_url}", flush=True)
    server.serve_forever(poll_interval=0.1)
    app.deliverer.stop()
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
