"""
Whether ledger, invoices and the card processor say the same, organization by organization and to the cent. Each figure
is summed here from the rows themselves, by other statements than the product's own.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Sum

from bench.billing_standin import Standin
from billing.models import (
    AccountKind,
    Difference,
    Discrepancy,
    Export,
    ExportState,
    ExportWay,
    GatewayCall,
    LedgerAccount,
    TieOut,
)
from billing.queries.lines import BESIDES
from billing.sending import OPEN
from marketplace.money import MICROS_PER_CENT


class Books(NamedTuple):
    """One organization's sums; micro-dollars. `used` and `lined` are of months that are over."""

    organization: str
    used: int  # by the hour of use, or the moment of a fee or credit
    lined: int  # on invoices
    earned: int  # use, fees and credits up to now, less what credit notes took back
    revenue: int  # by the ledger
    rounded: int  # what invoices add to their lines
    rounding: int  # by the ledger
    taxed: int  # on invoices, less credit notes
    taxes: int  # by the ledger


SUMS = f"""
SELECT organization.public_id,
       coalesce(use.past, 0) + coalesce(beside.past, 0), coalesce(line.micros, 0),
       coalesce(use.micros, 0) + coalesce(beside.micros, 0) - coalesce(note.net, 0) * 10000,
       coalesce(account.revenue, 0),
       coalesce(invoice.net, 0) * 10000 - coalesce(line.micros, 0), coalesce(account.rounding, 0),
       (coalesce(invoice.tax, 0) - coalesce(note.tax, 0)) * 10000, coalesce(account.taxes, 0)
  FROM accounts_organization AS organization
  LEFT JOIN (SELECT lease.organization_id AS id, sum(used.micros)::bigint AS micros,
                    (sum(used.micros) FILTER (WHERE used.from_at < %(until)s))::bigint AS past
               FROM billing_usage AS used JOIN leasing_lease AS lease ON lease.id = used.lease_id
              GROUP BY 1) AS use USING (id)
  LEFT JOIN (SELECT posting.organization_id AS id, -sum(entry.amount_micros)::bigint AS micros,
                    -(sum(entry.amount_micros) FILTER (WHERE posting.at < %(until)s))::bigint AS past
               FROM billing_posting AS posting
               JOIN billing_entry AS entry ON entry.posting_id = posting.id
               JOIN billing_ledgeraccount AS account ON account.id = entry.account_id AND account.kind = 'wallet'
              WHERE posting.kind IN ({BESIDES}) AND posting.lease_id IS NOT NULL
              GROUP BY 1) AS beside USING (id)
  LEFT JOIN (SELECT invoice.organization_id AS id, sum(line.micros)::bigint AS micros
               FROM billing_invoiceline AS line JOIN billing_invoice AS invoice ON invoice.id = line.invoice_id
              GROUP BY 1) AS line USING (id)
  LEFT JOIN (SELECT organization_id AS id, sum(total_cents - tax_cents)::bigint AS net, sum(tax_cents)::bigint AS tax
               FROM billing_invoice GROUP BY 1) AS invoice USING (id)
  LEFT JOIN (SELECT organization_id AS id, sum(total_cents - tax_cents)::bigint AS net, sum(tax_cents)::bigint AS tax
               FROM billing_creditnote GROUP BY 1) AS note USING (id)
  LEFT JOIN (SELECT organization_id AS id,
                    sum(balance_micros) FILTER (WHERE kind = 'revenue')::bigint AS revenue,
                    sum(balance_micros) FILTER (WHERE kind = 'rounding')::bigint AS rounding,
                    sum(balance_micros) FILTER (WHERE kind = 'taxes')::bigint AS taxes
               FROM billing_ledgeraccount GROUP BY 1) AS account USING (id)
 ORDER BY organization.id
"""


def books(*, until: datetime) -> list[Books]:
    """Every organization's, where all months before `until` are closed."""
    with connection.cursor() as cursor:
        cursor.execute(SUMS, {"until": until})
        return [Books(*row) for row in cursor.fetchall()]


def off_micros(*, until: datetime) -> int:
    """How far ledger and invoices are apart, all organizations' differences together; 0 when they tie out."""
    return sum(
        abs(one.used - one.lined)
        + abs(one.earned - one.revenue)
        + abs(one.rounded - one.rounding)
        + abs(one.taxed - one.taxes)
        for one in books(until=until)
    )


def off_at_processor_micros(standin: Standin) -> int:
    """How far our accounts of card payments are from all that the processor moved and kept."""
    moved: int = sum(one["net"] for one in standin.all("balance_transaction"))
    ours: int = LedgerAccount.objects.filter(kind=AccountKind.CLEARING).aggregate(sum=Sum("balance_micros"))["sum"] or 0
    return abs(moved * MICROS_PER_CENT + ours)


def off_at_meter_micros(standin: Standin) -> int:
    """How far what we told the processor's meter is from what it has, and from what the ledger had to tell."""
    counted = Export.objects.filter(state=ExportState.COUNTED)
    told: int = counted.filter(way=ExportWay.EVENT).aggregate(sum=Sum("value_micros"))["sum"] or 0
    there: int = sum(one["value"] for one in standin.all("meter_record"))
    behind = TieOut.objects.exclude(differs_since=None)
    return abs(told - there) + sum(abs(one.posted_micros - one.exported_micros) for one in behind)


def open_ends() -> Iterator[str]:
    """What the product itself says does not tie out, or still waits."""
    for kind, rows in {
        "counted differently a second time": Difference.objects.filter(gone_at=None),
        "differs from the processor's": Discrepancy.objects.filter(gone_at=None, explained_at=None),
        "does not tie out": TieOut.objects.exclude(differs_since=None),
        "was not counted": Export.objects.exclude(state=ExportState.COUNTED).exclude(state=ExportState.FAILED),
        "waits for the processor": GatewayCall.objects.filter(state__in=OPEN),
    }.items():
        yield from (f"{kind}: {row!r} {vars(row)}" for row in rows)
