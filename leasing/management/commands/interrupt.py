"""Interrupts a surplus lease from the terminal, to see what its tenant sees; and says that power is back."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.clock import now
from leasing.models import InterruptionCause, Lease
from leasing.operations import CannotInterrupt, power_back, schedule_interruption
from leasing.queries.interruptions import open_interruption
from leasing.tasks import nudge_sites

ACTOR = "system:terminal"


class Command(BaseCommand):
    """manage.py interrupt ls_… [--lasts MINUTES] [--cause grid]; manage.py interrupt ls_… --over."""

    help = "Announces that a surplus lease will be paused once its notice is over, or ends that with --over."

    def add_arguments(self, parser: CommandParser) -> None:
        """The lease, and how long."""
        parser.add_argument("lease", help="Such as ls_…")
        parser.add_argument("--lasts", type=int, default=60, metavar="MINUTES", help="How long at the longest (60).")
        parser.add_argument("--cause", choices=InterruptionCause.values, default=InterruptionCause.SHORT.value)
        parser.add_argument("--over", action="store_true", help="There is power again.")

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Do it, and print what the tenant is told.

        :raises CommandError: where there is no such lease, or it cannot be interrupted so
        """
        lease = Lease.objects.select_related("terms").filter(public_id=options["lease"]).first()
        if lease is None:
            raise CommandError(f"There is no lease {options['lease']}.")
        if options["over"]:
            self._end(lease)
        else:
            self._announce(lease, timedelta(minutes=options["lasts"]), InterruptionCause(options["cause"]))
        nudge_sites()

    def _announce(self, lease: Lease, lasts: timedelta, cause: InterruptionCause) -> None:
        moment = now()
        begins_at = moment + timedelta(seconds=lease.terms.notice_seconds)
        try:
            made = schedule_interruption(
                lease=lease,
                begins_at=begins_at,
                ends_at=begins_at + lasts,
                cause=cause,
                requested_by=ACTOR,
                now=moment,
            )
        except CannotInterrupt as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{made.public_id}: paused at {begins_at:%Y-%m-%d %H:%M:%S} UTC, and told so.")

    def _end(self, lease: Lease) -> None:
        row = open_interruption(lease)
        if row is None:
            raise CommandError("It has no interruption.")
        row = power_back(interruption=row, actor=ACTOR, now=now())
        self.stdout.write(f"{row.public_id} is {row.words}.")
