"""What leases used is added to their months, hour by hour."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from leasing.models import SUMMED, LeaseEnergy
from marketplace.models import Site

COUNTED = """
    INSERT INTO leasing_energycounted AS counted (site_id, until) VALUES (%s, %s)
        ON CONFLICT (site_id) DO UPDATE SET until = excluded.until WHERE counted.until < excluded.until
"""
ADD = f"""
    INSERT INTO leasing_leaseenergy AS known (lease_id, month, {", ".join(SUMMED)})
    VALUES (%s, %s, {", ".join(["%s"] * len(SUMMED))})
        ON CONFLICT (month, lease_id) DO UPDATE
       SET {", ".join(f"{name} = known.{name} + excluded.{name}" for name in SUMMED)}
"""  # noqa: S608  our own words


@transaction.atomic
def add_energy(*, site: Site, until: datetime, parts: Iterable[LeaseEnergy]) -> None:
    """
    Add what leases used in a site's hour, which ended at `until`, to their months: `parts` are unsaved rows of that
    hour. Hours come in order; one that was added before, or an earlier one, changes nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, [site.pk, until])
        if cursor.rowcount:
            rows = sorted(parts, key=lambda row: row.lease_id)
            cursor.executemany(
                ADD, [[row.lease_id, row.month, *(getattr(row, name) for name in SUMMED)] for row in rows]
            )
