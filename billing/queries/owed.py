"""
What the wallet pays of invoices by transfer, as the ledger has it. Use is charged to the wallet as it arises, so its
balance is what came in, less what is on invoices, less use that is on none yet. What came in and settled nothing is
free: it pays invoices, the earliest due first. Nothing is kept of it for use that is not invoiced.
"""

from billing.queries.lines import half_away
from marketplace.money import MICROS_PER_CENT


def _sum(table: str, cents: str) -> str:
    return f"(SELECT coalesce(sum({cents}), 0)::bigint FROM {table} WHERE invoice_id = invoice.id)"  # noqa: S608


# An organization's posted use that is on no invoice yet: revenue and rounding are what is on invoices, less what notes
# took back, and that. With its balance: less than nothing by what it owes, had everything been invoiced.
PURSE = """
    SELECT organization.id AS organization_id,
           wallet.balance_micros
           + coalesce((SELECT sum(balance_micros) FROM billing_ledgeraccount
                        WHERE organization_id = organization.id AND kind IN ('revenue', 'rounding')), 0)::bigint
           + 10000 * coalesce((SELECT sum(total_cents - tax_cents) FROM billing_creditnote
                                WHERE organization_id = organization.id), 0)::bigint
           - 10000 * coalesce((SELECT sum(total_cents - tax_cents) FROM billing_invoice
                                WHERE organization_id = organization.id), 0)::bigint AS micros
      FROM accounts_organization AS organization
      JOIN billing_ledgeraccount AS wallet ON wallet.organization_id = organization.id AND wallet.kind = 'wallet'
"""
# Of each invoice by transfer, in cents: what other ways to settle it leave, and what the wallet paid of that.
LEFT = f"""
    SELECT invoice.id, invoice.organization_id, invoice.number, invoice.due_on,
           greatest(0, total_cents - {_sum("billing_applied", "cents")} - {_sum("billing_writeoff", "cents")}
                       - {_sum("billing_creditnote", "total_cents")}) AS cents,
           {_sum("billing_setoff", "cents")} AS set_off
      FROM billing_invoice AS invoice
     WHERE mode = 'invoiced'
"""  # noqa: S608  our own words
# Of each invoice of some organizations (%(organizations)s, keys) that pay so now: what the wallet is to pay beyond what
# it did, less than nothing where that money has gone; and what is open then. To the cent: half of one is nobody's debt.
# Each purse and each invoice is summed once: joined as they are, a purse would be for each invoice.
OWED = f"""
    WITH purse AS MATERIALIZED ({PURSE} WHERE organization.id = ANY(%(organizations)s::bigint[])),
    found AS MATERIALIZED (
        SELECT * FROM ({LEFT}) AS invoice WHERE organization_id = ANY(%(organizations)s::bigint[]))
    SELECT invoice.id AS invoice_id, (pays - set_off)::bigint AS cents, (invoice.cents - pays)::bigint AS open_cents
      FROM (SELECT *, sum(cents) OVER (PARTITION BY organization_id) AS together,
                   sum(cents) OVER (PARTITION BY organization_id ORDER BY due_on, id) - cents AS earlier
              FROM found) AS invoice
      JOIN purse USING (organization_id)
      JOIN billing_billingaccount AS account ON account.organization_id = purse.organization_id
                                            AND account.mode = 'invoiced'
      CROSS JOIN LATERAL (SELECT (micros + 10000 * together)::bigint AS micros) AS free
      CROSS JOIN LATERAL (
           SELECT least(invoice.cents, greatest(0, {half_away("free.micros", MICROS_PER_CENT)} - earlier)) AS pays
           ) AS paying
"""  # noqa: S608  our own words
