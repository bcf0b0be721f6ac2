"""A Celery worker: for the work that needs no site, or for sites, from inside whose networks their nodes are reached.

python -m config.worker default
python -m config.worker sites [SLUG …]      without slugs, every site there is
"""

import sys
import warnings

import django
from celery.platforms import SecurityWarning
from django.apps import apps

from config.celery import app

COMMON = ("--quiet", "--skip-checks", "worker", "--loglevel", "info", "--without-gossip", "--without-mingle")
CONCURRENCY = {"default": "2", "sites": "4"}


def queues(slugs: list[str]) -> list[str]:
    """The queues of the sites of these names, or of all sites."""
    django.setup()
    known = list(apps.get_model("marketplace.Site").objects.order_by("slug").values_list("slug", flat=True))
    unknown = sorted(set(slugs) - set(known))
    if unknown:
        sys.exit(f"There is no site named {', '.join(unknown)}. Sites: {', '.join(known)}")
    return [f"site.{slug}" for slug in slugs or known]


def main() -> None:
    """Run until told to stop."""
    warnings.simplefilter("ignore", SecurityWarning)  # it is about pickle, which config.celery does not accept
    kind, *slugs = sys.argv[1:] or [""]
    if kind not in CONCURRENCY:
        sys.exit("Say which worker: default, or sites [SLUG …].")
    served = ["default"] if kind == "default" else queues(slugs)
    name = f"--hostname={kind}@%h"
    app.worker_main([*COMMON, name, "--concurrency", CONCURRENCY[kind], "--queues", ",".join(served)])


if __name__ == "__main__":
    main()
