"""Celery's entry points. Each finds its work in the rows."""

from celery import shared_task

from accounts import clock
from energy import accounting, feeding, firming


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
