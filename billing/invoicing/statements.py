"""
The statements that close a month, in the order in which they run. All work on whole sets: how many organizations there
are changes how long they take and nothing else. The temporary tables go with the transaction.
"""

from accounts.ids import fresh_id
from billing.queries.frozen import SHA256, energy_texts, line_texts
from billing.queries.lines import BESIDES, IN_ORDER, LINES, half_away
from billing.queries.taxes import CALCULATED, FITS, NOTHING_OWED, TAXES, UNANSWERED
from leasing.models import SUMMED

MONTHS_BACK = 3
PPM = 1_000_000


def _dollars(cents: str) -> str:
    """An expression's cents as people write them: "-$1,234.56"."""
    return f"""(CASE WHEN {cents} < 0 THEN '-' ELSE '' END
                  || to_char(abs({cents}) / 100.0, 'FM"$"999,999,999,999,990.00'))"""


# Whoever has use, fees or credits in the month, and whoever is not metered to its end.
USED = f"""(EXISTS (SELECT FROM leasing_lease AS lease
                      JOIN billing_usage AS used ON used.lease_id = lease.id
                                                AND used.from_at >= %(begin)s AND used.from_at < %(end)s
                     WHERE lease.organization_id = organization.id)
            OR organization.id IN (SELECT organization_id FROM billing_posting
                                    WHERE kind IN ({BESIDES}) AND lease_id IS NOT NULL
                                      AND at >= %(begin)s AND at < %(end)s))"""  # noqa: S608  our own words
UNMETERED = """
           SELECT lease.organization_id
             FROM billing_meter AS meter
             JOIN leasing_lease AS lease ON lease.id = meter.lease_id
            WHERE meter.closed_at IS NULL AND (meter.metered_until IS NULL OR meter.metered_until < %(end)s)
              AND EXISTS (SELECT FROM leasing_transition AS began
                           WHERE began.lease_id = lease.id AND began.new = 'active' AND began.at < %(end)s)
"""
# With use, fees or credits in the month; no invoice yet; not parked; metered to the month's end; and with its energy
# counted to it, unless that takes too long.
DUE = f"""
    SELECT organization.id
      FROM accounts_organization AS organization
     WHERE {USED}
       AND NOT EXISTS (SELECT FROM billing_invoice AS issued
                        WHERE issued.organization_id = organization.id AND issued.period_start = %(month)s)
       AND NOT EXISTS (SELECT FROM billing_parkedmonth AS parked
                        WHERE parked.organization_id = organization.id AND parked.period_start = %(month)s
                          AND parked.released_at IS NULL)
       AND organization.id NOT IN ({UNMETERED})
       AND (%(energy_waits)s IS FALSE OR organization.id NOT IN (
           SELECT lease.organization_id
             FROM leasing_energycounted AS counted
             JOIN marketplace_pool AS pool ON pool.site_id = counted.site_id
             JOIN marketplace_offer AS offer ON offer.pool_id = pool.id
             JOIN leasing_lease AS lease ON lease.offer_id = offer.id
             JOIN billing_usage AS used ON used.lease_id = lease.id
                                       AND used.from_at >= %(begin)s AND used.from_at < %(end)s
            WHERE counted.until < %(end)s))
       AND (%(among)s::bigint[] IS NULL OR organization.id = ANY(%(among)s::bigint[]))
     ORDER BY organization.id
"""  # noqa: S608  our own words
# A wallet that somebody works with now is passed over: the next sweep closes it, and no order makes others wait.
LOCK_WALLETS = """
    SELECT organization_id
      FROM billing_ledgeraccount
     WHERE kind = 'wallet' AND organization_id = ANY(%(among)s::bigint[])
     ORDER BY organization_id
       FOR NO KEY UPDATE SKIP LOCKED
"""
FIND_LINES = f"CREATE TEMP TABLE closing_line ON COMMIT DROP AS {LINES}"

# Bounds that no sound month breaks. Whoever was released by staff is not looked at again.
PARK = f"""
    WITH wrong AS (
        SELECT line.organization_id, 1 AS place,
               format('Lease %%s has %%s s of use, and %%s s were there to be used.', lease.public_id,
                      sum(line.seconds), floor(extract(epoch FROM available.span))) AS reason
          FROM closing_line AS line
          JOIN leasing_lease AS lease ON lease.id = line.lease_id
          CROSS JOIN LATERAL (
               SELECT least(%(end)s, lease.ends_at) - greatest(%(begin)s, lease.starts_at) AS span) AS available
         GROUP BY line.organization_id, lease.public_id, available.span
        HAVING sum(line.seconds) > greatest(0, extract(epoch FROM available.span))
        UNION ALL
        SELECT line.organization_id, 2,
               format('Time of lease %%s at one price was measured twice.', lease.public_id)
          FROM closing_line AS line
          JOIN leasing_lease AS lease ON lease.id = line.lease_id
         WHERE line.sliced > line.spread
        UNION ALL
        SELECT line.organization_id, 3,
               format('Its lines are %%s, and its largest invoice so far was %%s.',
                      {_dollars("sum(line.cents)")}, {_dollars("largest.cents")})
          FROM closing_line AS line
          JOIN (SELECT organization_id, max(total_cents) AS cents FROM billing_invoice
                 WHERE period_start >= %(month)s::date - interval '1 year'
                 GROUP BY organization_id) AS largest USING (organization_id)
         GROUP BY line.organization_id, largest.cents
        HAVING sum(line.cents) > greatest(%(times)s * largest.cents, %(least_cents)s)
    )
    INSERT INTO billing_parkedmonth (public_id, organization_id, period_start, reason, parked_at, released_by,
                                     release_reason, lacks_tax)
    SELECT DISTINCT ON (wrong.organization_id) {fresh_id("mp")}, wrong.organization_id, %(month)s,
           wrong.reason, %(now)s, '', '', FALSE
      FROM wrong
     ORDER BY wrong.organization_id, place, reason
        ON CONFLICT (organization_id, period_start) DO NOTHING
    RETURNING organization_id
"""  # noqa: S608  our own words
# A month that the sweeps look at no more is not forgotten: whoever may have something in it, and no invoice, is parked.
PARK_LEFT_BEHIND = f"""
    INSERT INTO billing_parkedmonth (public_id, organization_id, period_start, reason, parked_at, released_by,
                                     release_reason, lacks_tax)
    SELECT {fresh_id("mp")}, organization.id, %(month)s, %(reason)s, %(now)s, '', '', FALSE
      FROM accounts_organization AS organization
     WHERE ({USED} OR organization.id IN ({UNMETERED}))
       AND NOT EXISTS (SELECT FROM billing_invoice AS issued
                        WHERE issued.organization_id = organization.id AND issued.period_start = %(month)s)
     ORDER BY organization.id
        ON CONFLICT (organization_id, period_start) DO NOTHING
    RETURNING organization_id
"""  # noqa: S608  our own words
LEAVE_OUT = "DELETE FROM closing_line WHERE organization_id = ANY(%(parked)s::bigint[])"

# Whose tax the card processor works out for us, and has not for what the month is now; and since when it was asked
# (NULL: not yet). Whoever was released for want of it goes on without.
UNCALCULATED = f"""
    SELECT total.organization_id, applying.profile_id, applying.verified_tax_id, total.net_cents,
           calculation.asked_at
      FROM (SELECT organization_id, sum(cents)::bigint AS net_cents
              FROM closing_line GROUP BY organization_id HAVING sum(cents) > 0) AS total
      JOIN ({TAXES}) AS applying ON applying.organization_id = total.organization_id
                                AND applying.place = {CALCULATED}
      LEFT JOIN billing_taxcalculation AS calculation ON {FITS}
     WHERE calculation.answered_at IS NULL
       AND NOT EXISTS (SELECT FROM billing_parkedmonth AS parked
                        WHERE parked.organization_id = total.organization_id AND parked.period_start = %(month)s
                          AND parked.lacks_tax AND parked.released_at IS NOT NULL)
     ORDER BY total.organization_id
"""  # noqa: S608  our own words
# A month that was released for another reason is parked once more.
PARK_UNTAXED = f"""
    INSERT INTO billing_parkedmonth AS parked (public_id, organization_id, period_start, reason, parked_at,
                                               released_by, release_reason, lacks_tax)
    SELECT {fresh_id("mp")}, organization_id, %(month)s, %(reason)s, %(now)s, '', '', TRUE
      FROM unnest(%(late)s::bigint[]) AS organization_id
        ON CONFLICT (organization_id, period_start) DO UPDATE
       SET reason = excluded.reason, parked_at = excluded.parked_at, released_at = NULL, released_by = '',
           release_reason = '', lacks_tax = TRUE
    RETURNING organization_id
"""  # noqa: S608  our own words

# What leases used in the month, and what became known of an earlier one behind its invoice.
FIND_ENERGY = f"""
    CREATE TEMP TABLE closing_energy ON COMMIT DROP AS
    SELECT lease.organization_id, known.lease_id, known.month,
           counted.until >= (known.month + interval '1 month') AT TIME ZONE 'UTC' AS complete,
           {", ".join(f"known.{name} - said.{name} AS {name}" for name in SUMMED)}
      FROM leasing_leaseenergy AS known
      JOIN leasing_lease AS lease ON lease.id = known.lease_id
      JOIN marketplace_offer AS offer ON offer.id = lease.offer_id
      JOIN marketplace_pool AS pool ON pool.id = offer.pool_id
      JOIN leasing_energycounted AS counted ON counted.site_id = pool.site_id
      CROSS JOIN LATERAL (
           SELECT {", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in SUMMED)}
             FROM billing_invoiceenergy WHERE lease_id = known.lease_id AND month = known.month) AS said
     WHERE known.month <= %(month)s AND known.month > %(month)s::date - interval '{MONTHS_BACK} months'
       AND lease.organization_id IN (SELECT organization_id FROM closing_line)
       AND (known.month = %(month)s
            OR EXISTS (SELECT FROM billing_invoice AS issued WHERE issued.organization_id = lease.organization_id
                                                               AND issued.period_start = known.month))
       AND {" + ".join(f"known.{name} - said.{name}" for name in SUMMED if name.endswith("_hours"))} > 0
"""  # noqa: S608  our own words

NUMBER = """
    INSERT INTO billing_invoicecounter AS counter (series, last, at)
    SELECT %(series)s, count(DISTINCT organization_id), %(now)s FROM closing_line
        ON CONFLICT (series) DO UPDATE SET last = counter.last + excluded.last, at = excluded.at
    RETURNING last - (SELECT count(DISTINCT organization_id) FROM closing_line)
"""
MAKE_INVOICES = f"""
    CREATE TEMP TABLE closing_invoice ON COMMIT DROP AS
    SELECT nextval(pg_get_serial_sequence('billing_invoice', 'id')) AS id, {fresh_id("iv")} AS public_id,
           organization.id AS organization_id,
           %(series)s || '-' || lpad(serial.n::text, greatest(6, length(serial.n::text)), '0') AS number,
           %(month)s::date AS period_start, %(end)s::date AS period_end, %(now)s::timestamptz AS issued_at,
           total.net_cents + tax.cents AS total_cents, tax.cents AS tax_cents, tax.rate_ppm AS tax_rate_ppm,
           tax.note AS tax_note, calculation.id AS calculation_id, coalesce(account.mode, 'prepaid') AS mode,
           CASE account.mode WHEN 'invoiced' THEN (%(now)s AT TIME ZONE 'UTC')::date + %(days)s END AS due_on,
           coalesce(account.purchase_order, '') AS purchase_order, %(seller)s AS seller,
           %(seller_tax_id)s AS seller_tax_id,
           coalesce(nullif(account.buyer, ''), applying.buyer, organization.name) AS buyer,
           applying.buyer_tax_id, total.net_cents * 10000 - total.micros AS rounding_micros
      FROM (SELECT organization_id, sum(cents)::bigint AS net_cents, sum(micros)::bigint AS micros,
                   %(last)s + row_number() OVER (ORDER BY organization_id) AS n
              FROM closing_line GROUP BY organization_id) AS total
      CROSS JOIN LATERAL (SELECT total.n) AS serial
      JOIN accounts_organization AS organization ON organization.id = total.organization_id
      JOIN ({TAXES}) AS applying ON applying.organization_id = organization.id
      LEFT JOIN billing_taxcalculation AS calculation ON {FITS}
            AND applying.place = {CALCULATED} AND calculation.answered_at IS NOT NULL
      CROSS JOIN LATERAL (
           SELECT coalesce(calculation.tax_cents, {half_away("total.net_cents * applying.rate_ppm", PPM)}) AS cents,
                  coalesce((2 * {PPM} * calculation.tax_cents + total.net_cents) / (2 * total.net_cents),
                           applying.rate_ppm)::bigint AS rate_ppm,
                  CASE WHEN calculation.id IS NOT NULL THEN calculation.note
                       WHEN applying.place <> {CALCULATED} THEN applying.note
                       WHEN total.net_cents > 0 THEN '{UNANSWERED}' ELSE '{NOTHING_OWED}' END AS note) AS tax
      LEFT JOIN billing_billingaccount AS account ON account.organization_id = organization.id
"""  # noqa: S608  our own words
WRITE_INVOICES = f"""
    INSERT INTO billing_invoice (id, public_id, organization_id, number, period_start, period_end, issued_at,
                                 total_cents, tax_cents, tax_rate_ppm, tax_note, mode, due_on, purchase_order, seller,
                                 seller_tax_id, buyer, buyer_tax_id, sha256)
    SELECT invoice.id, invoice.public_id, invoice.organization_id, number, period_start, period_end, issued_at,
           total_cents, tax_cents, tax_rate_ppm, tax_note, mode, due_on, purchase_order, seller, seller_tax_id, buyer,
           buyer_tax_id, {SHA256}
      FROM closing_invoice AS invoice
      JOIN accounts_organization AS organization ON organization.id = invoice.organization_id
      JOIN ({line_texts("organization_id", "closing_line")}) AS text ON text.organization_id = organization.id
      LEFT JOIN ({energy_texts("organization_id", "closing_energy")}) AS energy
             ON energy.organization_id = organization.id
     ORDER BY invoice.id
"""  # noqa: S608  our own words
WRITE_CALCULATIONS = """
    UPDATE billing_taxcalculation AS calculation
       SET invoice_id = invoice.id
      FROM closing_invoice AS invoice
     WHERE calculation.id = invoice.calculation_id
    RETURNING calculation.public_id, calculation.organization_id, calculation.reference, invoice.number
"""
WRITE_LINES = f"""
    INSERT INTO billing_invoiceline (invoice_id, lease_id, kind, description, seconds, nodes, outage_node_seconds,
                                     micros_per_node_hour, micros, cents)
    SELECT invoice.id, line.lease_id, line.kind, line.description, line.seconds, line.nodes, line.outage_node_seconds,
           line.micros_per_node_hour, line.micros, line.cents
      FROM closing_line AS line
      JOIN closing_invoice AS invoice USING (organization_id)
     ORDER BY invoice.id, {IN_ORDER}
"""  # noqa: S608  our own words

WRITE_ENERGY = f"""
    INSERT INTO billing_invoiceenergy (invoice_id, lease_id, month, complete, {", ".join(SUMMED)})
    SELECT invoice.id, used.lease_id, used.month, used.complete, {", ".join(f"used.{name}" for name in SUMMED)}
      FROM closing_energy AS used
      JOIN closing_invoice AS invoice USING (organization_id)
     ORDER BY invoice.id, used.lease_id, used.month
"""  # noqa: S608  our own words

# What an invoice adds to what was posted in its month: the rounding of its lines, and the tax. From the wallet to the
# account of that name, so that usage, fees, credits, rounding and tax together are the invoice's cents.
MOVES = f"""
    CREATE TEMP TABLE closing_move ON COMMIT DROP AS
    SELECT nextval(pg_get_serial_sequence('billing_posting', 'id')) AS posting_id, {fresh_id("le")} AS public_id, move.*
      FROM (SELECT organization_id, number, public_id AS invoice, 'rounding' AS kind, 'rounding' AS account,
                   rounding_micros AS micros
              FROM closing_invoice WHERE rounding_micros <> 0
            UNION ALL
            SELECT organization_id, number, public_id, 'tax', 'taxes', tax_cents * 10000
              FROM closing_invoice WHERE tax_cents <> 0) AS move
     ORDER BY organization_id, kind
"""  # noqa: S608  our own words
OPEN_ACCOUNTS = """
    INSERT INTO billing_ledgeraccount (organization_id, kind, balance_micros)
    SELECT organization_id, account, 0 FROM closing_move ORDER BY organization_id, account
        ON CONFLICT (organization_id, kind) DO NOTHING
"""
# With the accounts in a table of its own that is analysed, the rest is planned for as many as there are: of those that
# were opened a moment ago the database knows nothing yet.
PARTS = """
    CREATE TEMP TABLE closing_part ON COMMIT DROP AS
    SELECT move.posting_id, account.id AS account_id, account.balance_micros AS before,
           CASE account.kind WHEN 'wallet' THEN -move.micros ELSE move.micros END AS micros
      FROM closing_move AS move
      JOIN billing_ledgeraccount AS account ON account.organization_id = move.organization_id
                                           AND account.kind IN ('wallet', move.account)
"""
POST = """
    WITH posting AS (
        INSERT INTO billing_posting (id, public_id, organization_id, kind, key, at, memo)
        SELECT posting_id, public_id, organization_id, kind, kind || ':' || invoice, %(now)s, number FROM closing_move
    ),
    entry AS (
        INSERT INTO billing_entry (posting_id, account_id, amount_micros, balance_micros)
        SELECT posting_id, account_id, micros,
               before + sum(micros) OVER (PARTITION BY account_id ORDER BY posting_id)
          FROM closing_part ORDER BY posting_id, account_id
    )
    UPDATE billing_ledgeraccount AS account
       SET balance_micros = account.balance_micros + moved.micros
      FROM (SELECT account_id, sum(micros) AS micros FROM closing_part GROUP BY account_id) AS moved
     WHERE account.id = moved.account_id
"""
# The wallets of these pay first what they can.
BY_TRANSFER = "SELECT organization_id FROM closing_invoice WHERE mode = 'invoiced' ORDER BY organization_id"
ISSUED = f"""
    SELECT organization_id, public_id AS subject,
           jsonb_build_object('number', number, 'total_cents', total_cents) AS data,
           jsonb_build_object(
               'title', format('Invoice %%s for %%s', number, month),
               'text', format('Your invoice of %%s for %%s is ready. ', total, month) || CASE mode
                   WHEN 'prepaid' THEN 'It was paid from your wallet.'
                   WHEN 'metered' THEN 'Your card is charged for it.'
                   ELSE CASE WHEN set_off.cents IS NULL THEN '' ELSE format('%%s of it was paid from your wallet. ',
                                                                           {_dollars("set_off.cents")}) END
                        || CASE WHEN total_cents > coalesce(set_off.cents, 0)
                                THEN format('Please transfer %%s by %%s, with its number as reference.',
                                            {_dollars("total_cents - coalesce(set_off.cents, 0)")}, due_on)
                                ELSE 'Nothing is to be transferred.' END END,
               'path', format('/invoices/%%s/', public_id)) AS notice
      FROM closing_invoice AS invoice
      LEFT JOIN billing_setoff AS set_off ON set_off.invoice_id = invoice.id
      CROSS JOIN LATERAL (
           SELECT to_char(period_start, 'FMMonth YYYY') AS month,
                  {_dollars("total_cents")} AS total) AS said
     ORDER BY invoice.id
"""  # noqa: S608  our own words
