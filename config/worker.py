"""A Celery worker: for the work that needs no site, or for sites, from inside whose networks their nodes are reached.

python -m config.worker default
python -m config.worker payments            asks the card processor, which may hang: nothing else waits
python -m config.worker energy              counts and plans energy, which may take minutes: nothing else waits
python -m config.worker webhooks            calls addresses that customers gave, which may be slow: nothing else waits
python -m config.worker sites [SLUG …]      without slugs, every site there is
python -m config.worker watch [SLUG …]      looks at the sites' nodes: not a Celery worker, but a process beside it
"""

import asyncio
import signal
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import django
from celery.platforms import SecurityWarning
from django.apps import apps
from django.conf import settings

from config.celery import app

COMMON = ("--quiet", "--skip-checks", "worker", "--loglevel", "info", "--without-gossip", "--without-mingle")
POOLS = {
    "default": ("--concurrency", "2"),
    "energy": ("--concurrency", "2"),
    "payments": ("--concurrency", "4"),
    "sites": ("--concurrency", "4"),
    "webhooks": ("--pool", "threads", "--concurrency", "4"),  # sweeps mostly wait, each in lanes of its own
}


def queues(slugs: list[str]) -> list[str]:
    """The queues of the sites of these names, or of all sites."""
    django.setup()
    known = list(apps.get_model("marketplace.Site").objects.order_by("slug").values_list("slug", flat=True))
    unknown = sorted(set(slugs) - set(known))
    if unknown:
        sys.exit(f"There is no site named {', '.join(unknown)}. Sites: {', '.join(known)}")
    return [f"site.{slug}" for slug in slugs or known]


def watch(slugs: list[str]) -> NoReturn:
    """Look at the nodes of the sites until told to stop."""
    queues(slugs)  # refuses a name that no site has
    sys.setswitchinterval(0.0005)  # the thread that writes must not hold up the one that listens to thousands of nodes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("watch ready.", flush=True)
    with suppress(KeyboardInterrupt):
        asyncio.run(import_module("leasing.watching").Watch(slugs, every=settings.WATCH_EVERY).run())
    sys.exit(0)


def main() -> None:
    """Run until told to stop."""
    warnings.simplefilter("ignore", SecurityWarning)  # it is about pickle, which config.celery does not accept
    kind, *slugs = sys.argv[1:] or [""]
    if kind == "watch":
        watch(slugs)
    if kind not in POOLS:
        sys.exit("Say which worker: default, payments, energy, webhooks, sites [SLUG …], or watch [SLUG …].")
    served = queues(slugs) if kind == "sites" else [kind]
    name = f"--hostname={kind}@%h"
    app.worker_main([*COMMON, name, *POOLS[kind], "--queues", ",".join(served)])


if __name__ == "__main__":
    main()
