"""Celery's entry points. Each finds its work in the rows."""

from celery import shared_task

from accounts import clock
from energy import feeding


@shared_task
def fetch_feeds(**_: object) -> None:
    """Ask for the prices and figures that are due."""
    feeding.fetch_due(now=clock.now())
