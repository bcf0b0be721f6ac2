"""Invoices: what they say is what was used, and what the wallet was charged."""

from billing.invariants.rule import Rule
from billing.queries.frozen import SHA256, energy_texts, line_texts
from billing.queries.owed import LEFT, PURSE

RULES = (
    Rule(
        "I6",
        "An invoice's total is the sum of its lines and its tax.",
        """
        SELECT 'invoice ' || invoice.number
          FROM billing_invoice AS invoice
         WHERE invoice.total_cents <> invoice.tax_cents + coalesce((SELECT sum(cents) FROM billing_invoiceline
                                                                     WHERE invoice_id = invoice.id), 0)
        """,
    ),
    Rule(
        "I6b",
        "The wallet was charged exactly an invoice's cents: by its lines, the rounding and the tax.",
        """
        SELECT 'invoice ' || invoice.number
          FROM billing_invoice AS invoice
         WHERE invoice.sha256 <> '' AND invoice.total_cents * 10000 <> (
                   SELECT sum(micros) FROM billing_invoiceline WHERE invoice_id = invoice.id
               ) - coalesce((SELECT sum(entry.amount_micros)
                               FROM billing_posting AS posting
                               JOIN billing_entry AS entry ON entry.posting_id = posting.id
                               JOIN billing_ledgeraccount AS account ON account.id = entry.account_id
                              WHERE posting.key IN ('rounding:' || invoice.public_id, 'tax:' || invoice.public_id)
                                AND account.kind = 'wallet'), 0)
        """,
    ),
    Rule(
        "I6c",
        "Nothing was used in a month behind its invoice.",
        """
        SELECT 'invoice ' || invoice.number || ' of lease ' || used.lease_id
          FROM billing_invoice AS invoice
          JOIN leasing_lease AS lease ON lease.organization_id = invoice.organization_id
          JOIN billing_usage AS used ON used.lease_id = lease.id
                                    AND used.from_at >= invoice.period_start::timestamp AT TIME ZONE 'UTC'
                                    AND used.from_at < invoice.period_end::timestamp AT TIME ZONE 'UTC'
         GROUP BY invoice.id, used.lease_id
        HAVING sum(used.micros) <> coalesce((SELECT sum(micros) FROM billing_invoiceline AS line
                                              WHERE line.invoice_id = invoice.id AND line.lease_id = used.lease_id
                                                AND line.kind = 'usage'), 0)
        """,
    ),
    Rule(
        "I6d",
        "No paper was changed since it was issued: its hash is that of its text.",
        f"""
        SELECT 'invoice ' || invoice.number
          FROM billing_invoice AS invoice
          JOIN accounts_organization AS organization ON organization.id = invoice.organization_id
          JOIN ({line_texts("invoice_id", "billing_invoiceline")}) AS text ON text.invoice_id = invoice.id
          LEFT JOIN ({energy_texts("invoice_id", "billing_invoiceenergy")}) AS energy ON energy.invoice_id = invoice.id
         WHERE invoice.sha256 NOT IN ('', {SHA256})
        """,  # noqa: S608  our own words
    ),
    Rule(
        "I6e",
        "The tax of the card processor's invoices is owed as long as they are not void.",
        """
        SELECT 'invoice ' || number FROM billing_cardinvoice AS invoice
         WHERE (CASE status WHEN 'void' THEN 0 ELSE tax_cents END) * 10000 <> -coalesce((
               SELECT sum(amount_micros) FROM billing_posting AS posting
                 JOIN billing_entry AS entry ON entry.posting_id = posting.id
                 JOIN billing_ledgeraccount AS account ON account.id = entry.account_id AND account.kind = 'wallet'
                WHERE posting.key IN ('card_tax:' || invoice.public_id,
                                      'card_tax:' || invoice.public_id || ':void')), 0)
        """,
    ),
    Rule(
        "I6f",
        "An invoice whose tax the card processor worked out has that tax, on that amount.",
        """
        SELECT 'invoice ' || invoice.number
          FROM billing_taxcalculation AS calculation
          JOIN billing_invoice AS invoice ON invoice.id = calculation.invoice_id
         WHERE (invoice.organization_id, invoice.period_start, invoice.total_cents - invoice.tax_cents,
                invoice.tax_cents)
            <> (calculation.organization_id, calculation.period_start, calculation.net_cents, calculation.tax_cents)
        """,
    ),
    Rule(
        "I6g",
        "Open invoices by transfer and use that is on none yet are together no more than the wallet lacks: nobody is "
        "asked for what is there.",
        f"""
        SELECT 'organization ' || organization.public_id
          FROM accounts_organization AS organization
          JOIN billing_billingaccount AS account ON account.organization_id = organization.id
                                                AND account.mode = 'invoiced'
          JOIN ({PURSE}) AS purse ON purse.organization_id = organization.id
          JOIN (SELECT organization_id, sum(cents - set_off) AS cents FROM ({LEFT}) AS invoice
                 GROUP BY organization_id) AS open ON open.organization_id = organization.id
         WHERE open.cents > 0 AND purse.micros + 10000 * open.cents > 5000
        """,  # noqa: S608  our own words
    ),
    Rule(
        "I6h",
        "The wallet of who pays so paid no more of an invoice than was left, and it is outstanding while some is open.",
        f"""
        SELECT 'invoice ' || invoice.number
          FROM ({LEFT}) AS invoice
          JOIN billing_billingaccount AS account USING (organization_id)
         WHERE set_off < 0 OR set_off > cents AND account.mode = 'invoiced'
            OR (cents > set_off) <> EXISTS (SELECT FROM billing_outstanding WHERE invoice_id = invoice.id)
        """,  # noqa: S608  our own words
    ),
    Rule(
        "I6i",
        "No month with use is forgotten: once the sweeps look at it no more, it has its invoice or waits for staff.",
        """
        SELECT DISTINCT 'organization ' || organization.public_id || ' in ' || used.month
          FROM billing_monthuse AS used
          JOIN accounts_organization AS organization ON organization.id = used.organization_id
         WHERE used.month < date_trunc('month', %(now)s::timestamptz - interval '1 day', 'UTC') - interval '3 months'
           AND NOT EXISTS (SELECT FROM billing_invoice AS issued
                            WHERE issued.organization_id = used.organization_id AND issued.period_start = used.month)
           AND NOT EXISTS (SELECT FROM billing_parkedmonth AS parked
                            WHERE parked.organization_id = used.organization_id AND parked.period_start = used.month
                              AND coalesce(parked.released_at, %(now)s) > %(now)s - interval '2 days')
        """,
    ),
)
