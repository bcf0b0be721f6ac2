"""Celery's entry points. Messages only speed things up: every task finds its work in the rows."""

from celery import shared_task

from accounts import clock
from leasing import containing, enrolling, logs, provisioning, schedule, switching
from leasing.queries import sites_with_work
from leasing.queries.enrolments import sites_enrolling
from leasing.queries.standby import sites_switching
from leasing.telemetry.house import keep_house
from marketplace.models import Site

PER_SITE = 4  # messages sent to one site's queue in one sweep


@shared_task
def sweep(**_: object) -> None:
    """What time brings by itself, then a nudge to the workers of every site where a machine waits."""
    now = clock.now()
    schedule.run_due(now=now)
    logs.forget(now=now)
    nudge_sites()


@shared_task
def work_site(*, site: str, **_: object) -> None:
    """
    Read the logs that were asked for at one site, switch nodes, then work on its machines and enrolments until none is
    due. Served by workers inside that site's network.
    """
    place = Site.objects.get(slug=site)
    logs.read_asked(site=place)
    while containing.contain_due(site=place, now=clock.now()):
        pass
    while switching.switch_due(site=place, now=clock.now()):
        pass
    while provisioning.work(site=place) or enrolling.work(site=place):
        pass


@shared_task
def keep_telemetry(**_: object) -> None:
    """Roll up, pack and forget what nodes reported."""
    keep_house(now=clock.now())


def nudge_sites() -> None:
    """Send each site with due work as many messages as there is work, at most four of a kind; one for logs or power."""
    now = clock.now()
    for site, waiting in [*sites_with_work(now=now), *sites_enrolling(now=now)]:
        for _ in range(min(waiting, PER_SITE)):
            work_site.apply_async(kwargs={"site": site.slug}, queue=site.queue)
    for site in {*logs.sites_asked(), *sites_switching(now=now)}:
        work_site.apply_async(kwargs={"site": site.slug}, queue=site.queue)
