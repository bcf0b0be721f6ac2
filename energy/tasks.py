"""Celery's entry points. Messages only speed things up: every task finds its work in the rows."""

import logging

from celery import shared_task

from accounts import clock
from accounts.operations import for_each
from energy import accounting, carrying_out, commanding, dispatching, feeding, firming, mining, steering
from energy.models import Command
from marketplace.models import Site

log = logging.getLogger(__name__)

TAKE_SECONDS = 5.0  # a message that nobody takes is followed by another
BATTERY_SECONDS = 60.0  # between two looks at a battery, which is free again five minutes after the last one
LOOK_SECONDS = 240.0  # between two looks at a site's miners: figures are to be younger than five minutes


@shared_task
def fetch_feeds(**_: object) -> None:
    """Ask for the prices and figures that are due."""
    feeding.fetch_due(now=clock.now())


@shared_task
def write_power(**_: object) -> None:
    """Count what sites may sell firm, and write it down."""
    firming.write_windows(now=clock.now())


@shared_task
def count_energy(**_: object) -> None:
    """Count the hours that are over."""
    accounting.count_due(now=clock.now())


@shared_task
def plan_sites(**_: object) -> None:
    """Plan the sites that have no plan for this quarter of an hour yet, and propose what follows."""
    dispatching.plan_due(now=clock.now())


@shared_task
def command_sites(**_: object) -> None:
    """Have carried out what is due: miners and batteries by workers inside their site, the rest here."""
    for_each(carrying_out.due(now=clock.now()), _have_carried_out)
    carrying_out.settle(now=clock.now())


def _have_carried_out(command: Command) -> None:
    if carrying_out.at_site(command):
        sent = {"command": command.public_id}
        carry_out_at_site.apply_async(kwargs=sent, queue=command.site.queue, expires=TAKE_SECONDS)
    else:
        carrying_out.carry_out(command=command, now=clock.now())


@shared_task
def carry_out_at_site(*, command: str, **_: object) -> None:
    """Tell one site's miners or battery. Served by workers inside its network; told twice, the first one does it."""
    row = Command.objects.select_related("site").get(public_id=command)
    carrying_out.carry_out(command=row, now=clock.now())


@shared_task
def look_at_miners(**_: object) -> None:
    """Ask the workers of every site with miners to look at them."""
    for site in Site.objects.filter(miners__isnull=False).distinct():
        look_at_site.apply_async(kwargs={"site": site.slug}, queue=site.queue, expires=LOOK_SECONDS)


@shared_task
def look_at_batteries(**_: object) -> None:
    """Ask the workers of every site with a battery that has a driver to look at it."""
    for site in Site.objects.filter(inverter__isnull=False):
        sent = {"site": site.slug}
        look_at_battery.apply_async(kwargs=sent, queue=site.queue, expires=BATTERY_SECONDS)


@shared_task
def look_at_battery(*, site: str, **_: object) -> None:
    """Read one site's battery, and tell it again what is wanted. Served by workers inside that site's network."""
    read = steering.look(site=Site.objects.get(slug=site), now=clock.now())
    log.info("%s: battery %s %s", site, read.outcome, read.state)


@shared_task
def tell_mining(**_: object) -> None:
    """Write down what sites' miners draw, from which their hours are counted."""
    mining.tell_all(now=clock.now())


@shared_task
def look_at_site(*, site: str, **_: object) -> None:
    """Read every miner of one site. Served by workers inside that site's network."""
    found = Site.objects.get(slug=site)
    reads = commanding.look(site=found, now=clock.now(), meter=mining.sockets)
    mining.tell(site=found, now=clock.now())
    log.info("%s: %d miners read, %d W", site, len(reads), sum(read.load_watts for read in reads))
