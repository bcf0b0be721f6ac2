"""Celery's entry points. Messages only speed things up: every task finds its work in the rows."""

from celery import shared_task

from accounts import clock
from leasing import containing, provisioning, schedule
from leasing.queries import sites_with_work
from leasing.telemetry.house import keep_house
from marketplace.models import Site

PER_SITE = 4  # messages sent to one site's queue in one sweep


@shared_task
def sweep(**_: object) -> None:
    """What time brings by itself, then a nudge to the workers of every site where a machine waits."""
    now = clock.now()
    schedule.run_due(now=now)
    nudge_sites()


@shared_task
def work_site(*, site: str, **_: object) -> None:
    """Work on the machines of one site until none is due. Served by workers inside that site's network."""
    place = Site.objects.get(slug=site)
    containing.contain_due(site=place, now=clock.now())
    while provisioning.work(site=place):
        pass


@shared_task
def keep_telemetry(**_: object) -> None:
    """Roll up, pack and forget what nodes reported."""
    keep_house(now=clock.now())


def nudge_sites() -> None:
    """Send each site with due machines as many messages as it has machines, at most four."""
    for site, machines in sites_with_work(now=clock.now()):
        for _ in range(min(machines, PER_SITE)):
            work_site.apply_async(kwargs={"site": site.slug}, queue=site.queue)
