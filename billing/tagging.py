"""Which project a lease counts for: also that project's budget."""

from datetime import datetime

from django.db import transaction

import leasing.operations
from billing import budgets, operations
from billing.queries import readable
from billing.queries.commitments import of_lease
from leasing.models import Lease


@transaction.atomic
def tag(*, lease: Lease, project: str, actor: str, now: datetime) -> None:
    """
    Count the lease for another project, or for none (""): all that it has used this month and is committed to,
    fees for time that was handed back included.

    :raises budgets.BudgetExceeded: if that project's budget has less left
    """
    operations.lock_wallet(organization=lease.organization)
    lease.refresh_from_db(fields=["project"])
    meter = readable().filter(lease=lease).first()
    if meter and project != lease.project:
        amounts = of_lease(meter, now=now)
        own = [budget for budget in budgets.active(organization=lease.organization) if budget.project == project != ""]
        budgets.check(
            organization=lease.organization, project=project, amounts_by_month=amounts, now=now, caps=own
        )  # the whole organization's counts it already
    leasing.operations.tag(lease=lease, project=project, actor=actor, now=now)
