"""
What must hold at every moment of rest, whatever has failed before; each rule is a statement that finds what breaks it.
Run after every fault test, and by `manage.py check_invariants`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from billing.queries.frozen import SHA256, energy_texts, line_texts


@dataclass(frozen=True)
class Rule:
    """`finds` selects one column of words for each row that breaks the rule; it may use %(now)s."""

    number: str
    says: str
    finds: str


RULES = (
    Rule(
        "I1",
        "No node is claimed twice at once.",
        """
        SELECT 'claims ' || a.id || ' and ' || b.id || ' of node ' || a.node_id
          FROM leasing_claim AS a
          JOIN leasing_claim AS b ON a.node_id = b.node_id AND a.id < b.id AND a.period && b.period
         WHERE a.released_at IS NULL AND b.released_at IS NULL
        """,
    ),
    Rule(
        "I1b",
        "The calendar that is searched says what the claims say.",
        """
        SELECT 'calendar of node ' || calendar.node_id
          FROM marketplace_nodecalendar AS calendar
         WHERE (calendar.busy, calendar.not_firm) <> (
               SELECT coalesce(range_agg(live.period), '{}'),
                      coalesce(range_agg(live.period) FILTER (WHERE plan.kind IS NULL OR plan.kind = 'surplus'), '{}')
                 FROM leasing_claim AS live
                 LEFT JOIN leasing_lease AS lease ON lease.id = live.lease_id
                 LEFT JOIN marketplace_offer AS offer ON offer.id = lease.offer_id
                 LEFT JOIN marketplace_plan AS plan ON plan.id = offer.plan_id
                WHERE live.node_id = calendar.node_id AND live.released_at IS NULL)
        """,
    ),
    Rule(
        "I1c",
        "A claim goes with the wipe of its node, or with the lease or the work that it was made for: the calendar does "
        "not grow with what is past.",
        """
        SELECT 'claim ' || claim.id || ' of node ' || claim.node_id
          FROM leasing_claim AS claim
          JOIN leasing_lease AS lease ON lease.id = claim.lease_id
         WHERE claim.released_at IS NULL AND lease.state IN ('reclaiming', 'ended', 'expired', 'cancelled', 'failed')
           AND NOT EXISTS (SELECT FROM leasing_machine AS machine
                            WHERE machine.lease_id = lease.id AND machine.node_id = claim.node_id
                              AND machine.state NOT IN ('withdrawn', 'wiped'))
         UNION ALL
        SELECT 'claim ' || claim.id || ' of node ' || claim.node_id
          FROM leasing_claim AS claim
          JOIN leasing_maintenance AS work ON work.claim_id = claim.id
         WHERE claim.released_at IS NULL AND work.state IN ('done', 'cancelled')
        """,
    ),
    Rule(
        "I2",
        "No node is lost: one that is worked on has a machine or a verification that is worked on, with a deadline.",
        """
        SELECT 'node ' || node.name || ' is ' || node.state
          FROM marketplace_node AS node
         WHERE (node.state IN ('deploying', 'leased', 'wiping') AND NOT EXISTS (
                   SELECT FROM leasing_machine AS machine
                    WHERE machine.node_id = node.id
                      AND machine.state NOT IN ('pending', 'withdrawn', 'wiped', 'wipe_failed')))
            OR (node.state = 'verifying' AND NOT EXISTS (
                   SELECT FROM leasing_enrolment AS enrolment
                    WHERE enrolment.node_id = node.id AND enrolment.state IN ('reaching', 'inspecting', 'measuring')
                      AND enrolment.deadline IS NOT NULL))
        """,
    ),
    Rule(
        "I2b",
        "No machine is worked on past its deadline for longer than ten minutes, nor without one.",
        """
        SELECT 'machine ' || public_id || ' is ' || state
          FROM leasing_machine
         WHERE state IN ('preparing', 'servicing', 'pausing', 'resuming', 'wiping')
           AND coalesce(deadline, '-infinity') < %(now)s - interval '10 minutes'
        """,
    ),
    Rule(
        "I3",
        "No node is in stock without a verified wipe that began after its last tenant lost access.",
        """
        SELECT 'node ' || node.name || ', machine ' || machine.public_id
          FROM marketplace_node AS node
          JOIN leasing_machine AS machine ON machine.node_id = node.id AND machine.touched_at IS NOT NULL
         WHERE node.state = 'available' AND NOT EXISTS (
                   SELECT FROM leasing_wiperecord AS wipe
                    WHERE wipe.machine_id = machine.id AND wipe.verified
                      AND wipe.started_at >= machine.access_ended_at)
        """,
    ),
    Rule(
        "I4",
        "Every posting sums to zero, and so does the ledger.",
        "SELECT 'posting ' || posting_id FROM billing_entry GROUP BY posting_id HAVING sum(amount_micros) <> 0",
    ),
    Rule(
        "I4b",
        "Every account's balance is the sum of its entries.",
        """
        SELECT 'account ' || account.id
          FROM billing_ledgeraccount AS account
         WHERE account.balance_micros <> coalesce((SELECT sum(amount_micros) FROM billing_entry
                                                    WHERE account_id = account.id), 0)
        """,
    ),
    Rule(
        "I4c",
        "Every posting is in the chain of its organization, which has no gap; and the newest thousand links hold.",
        """
        SELECT 'posting ' || public_id || ', which has no link'
          FROM billing_posting AS posting
         WHERE NOT EXISTS (SELECT FROM billing_link WHERE posting_id = posting.id)
         UNION ALL
        SELECT 'organization ' || organization_id || ', whose chain has a gap'
          FROM billing_link GROUP BY organization_id HAVING max(number) <> count(*)
         UNION ALL
        SELECT 'link ' || link.number || ' of organization ' || link.organization_id
          FROM (SELECT * FROM billing_link ORDER BY posting_id DESC LIMIT 1000) AS link
          JOIN billing_posting_facts(ARRAY(SELECT posting_id FROM billing_link ORDER BY posting_id DESC LIMIT 1000))
               AS facts ON facts.posting_id = link.posting_id
         WHERE link.hash <> billing_link_hash(link.number, link.previous_hash, facts.facts)
            OR link.previous_hash <> coalesce(
                   (SELECT hash FROM billing_link AS earlier
                     WHERE earlier.organization_id = link.organization_id AND earlier.number = link.number - 1),
                   decode(repeat('00', 32), 'hex'))
        """,
    ),
    Rule(
        "I5",
        "No lease is charged for more than its active seconds, nor one that was never active at all.",
        """
        SELECT 'lease ' || lease.public_id || ' was charged ' || meter.charged_micros
          FROM billing_meter AS meter
          JOIN leasing_lease AS lease ON lease.id = meter.lease_id
         WHERE meter.charged_micros::numeric * 3600 > greatest(meter.micros_per_node_hour, (
                   SELECT max(micros_per_node_hour) FROM billing_meterprice WHERE meter_id = meter.id
               ))::numeric * meter.nodes * coalesce((
                   SELECT sum(extract(epoch FROM coalesce(spell.until, %(now)s) - spell.at))
                     FROM (SELECT new, at, lead(at) OVER (ORDER BY seq) AS until
                             FROM leasing_transition WHERE lease_id = lease.id) AS spell
                    WHERE spell.new = 'active'), 0)
        """,
    ),
    Rule(
        "I5b",
        "A meter's charge is the sum of its usage.",
        """
        SELECT 'lease ' || meter.lease_id
          FROM billing_meter AS meter
         WHERE meter.charged_micros <> coalesce((SELECT sum(micros) FROM billing_usage
                                                  WHERE lease_id = meter.lease_id), 0)
        """,
    ),
    Rule(
        "I5d",
        "What a lease owes for a month, counted a second way, is what it was charged.",
        """
        SELECT 'lease ' || lease.public_id || ' in ' || difference.month || ': ' || difference.owed_micros || ' owed, '
               || difference.posted_micros || ' charged'
          FROM billing_difference AS difference JOIN leasing_lease AS lease ON lease.id = difference.lease_id
         WHERE difference.gone_at IS NULL
        """,
    ),
    Rule(
        "I5c",
        "No whole month since a budget was set has more usage than it allows, but for windows agreed before.",
        """
        SELECT 'budget ' || budget.public_id || ' in ' || date_trunc('month', used.from_at, 'UTC')::date
          FROM billing_budget AS budget
          JOIN leasing_lease AS lease ON lease.organization_id = budget.organization_id
                                     AND budget.project IN ('', lease.project)
          JOIN billing_usage AS used ON used.lease_id = lease.id
                                    AND used.from_at >= date_trunc('month', budget.changed_at, 'UTC')
                                                     + interval '1 month'
         WHERE budget.active AND NOT (lease.ends_at IS NOT NULL AND lease.created_at < budget.changed_at)
         GROUP BY budget.id, date_trunc('month', used.from_at, 'UTC')
        HAVING sum(used.micros) > budget.limit_micros
        """,
    ),
    Rule(
        "I5e",
        "What a lease was charged for a month is the sum of its usage in it.",
        """
        SELECT 'lease ' || lease_id || ' in ' || month
          FROM billing_monthuse AS kept
          FULL JOIN (SELECT lease_id, date_trunc('month', from_at, 'UTC')::date AS month, sum(micros) AS micros
                       FROM billing_usage GROUP BY 1, 2) AS used USING (lease_id, month)
         WHERE kept.micros IS DISTINCT FROM used.micros
        """,
    ),
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
        "I7",
        "What is kept of time that was handed back, and what is credited for it, is in the ledger once and never more "
        "than the price of that time.",
        """
        SELECT 'change ' || change.public_id
          FROM billing_handback AS back
          JOIN leasing_leasechange AS change ON change.id = back.change_id
          JOIN billing_meter AS meter ON meter.lease_id = change.lease_id
          CROSS JOIN LATERAL (
               SELECT coalesce(-sum(amount_micros) FILTER (WHERE posting.kind <> 'resale_credit'), 0) AS fee,
                      coalesce(sum(amount_micros) FILTER (WHERE posting.kind = 'resale_credit'), 0) AS credit
                 FROM billing_posting AS posting
                 JOIN billing_entry AS entry ON entry.posting_id = posting.id
                 JOIN billing_ledgeraccount AS account ON account.id = entry.account_id AND account.kind = 'wallet'
                WHERE posting.lease_id = change.lease_id
                  AND (posting.key = 'hand_back:' || change.public_id
                       OR starts_with(posting.key, 'resale:' || change.public_id || ':'))) AS ledger
         WHERE ledger.fee <> back.fee_micros OR ledger.credit <> back.credited_micros
            OR ledger.fee > back.price_micros OR ledger.credit > ledger.fee
            OR 3600 * back.price_micros > meter.nodes * (
                   SELECT sum(coalesce((SELECT micros_per_node_hour FROM billing_meterprice
                                         WHERE meter_id = meter.id AND agreed_at <= change.at AND from_at <= part.since
                                         ORDER BY id DESC LIMIT 1), meter.micros_per_node_hour)
                              * extract(epoch FROM part.until - part.since))
                     FROM (SELECT since, lead(since, 1, change.old_ends_at) OVER (ORDER BY since) AS until
                             FROM (SELECT change.new_ends_at AS since
                                    UNION
                                   SELECT from_at FROM billing_meterprice
                                    WHERE meter_id = meter.id AND from_at > change.new_ends_at
                                      AND from_at < change.old_ends_at) AS border) AS part)
        """,
    ),
    Rule(
        "I8",
        "A credit by rule is in the ledger with its amount, and no fact was credited with less than nothing.",
        """
        SELECT 'posting ' || posting.public_id
          FROM billing_rulecredit AS credit
          JOIN billing_posting AS posting ON posting.id = credit.posting_id
          LEFT JOIN (billing_entry AS entry JOIN billing_ledgeraccount AS account
                     ON account.id = entry.account_id AND account.kind = 'wallet') ON entry.posting_id = posting.id
         WHERE entry.amount_micros IS DISTINCT FROM credit.micros OR posting.lease_id <> credit.lease_id
         UNION ALL
        SELECT 'lease ' || lease_id FROM billing_rulecredit
         GROUP BY lease_id, outage_id, transition_id HAVING sum(micros) < 0
         UNION ALL
        SELECT 'posting ' || public_id FROM billing_posting AS posting
         WHERE kind = 'promise_credit' AND NOT EXISTS (SELECT FROM billing_rulecredit WHERE posting_id = posting.id)
        """,
    ),
    Rule(
        "I8b",
        "Every adjustment in the ledger was asked for by staff, and moved what was asked for.",
        """
        SELECT 'posting ' || posting.public_id
          FROM billing_posting AS posting
          JOIN billing_entry AS entry ON entry.posting_id = posting.id
          JOIN billing_ledgeraccount AS account ON account.id = entry.account_id AND account.kind = 'wallet'
          LEFT JOIN billing_adjustment AS adjustment ON adjustment.posting_id = posting.id
         WHERE posting.kind = 'adjustment' AND adjustment.amount_micros IS DISTINCT FROM entry.amount_micros
        """,
    ),
    Rule(
        "I9",
        "No machine is in a tenant's hands outside an active lease.",
        """
        SELECT 'machine ' || machine.public_id || ' is ' || machine.state || ', its lease ' || lease.state
          FROM leasing_machine AS machine
          JOIN leasing_lease AS lease ON lease.id = machine.lease_id
         WHERE machine.state IN ('ready', 'servicing') AND lease.state NOT IN ('active', 'provisioning', 'paused')
        """,
    ),
    Rule(
        "I9b",
        "No outage is open for a lease that is not active.",
        """
        SELECT 'outage ' || outage.public_id
          FROM leasing_outage AS outage
          JOIN leasing_machine AS machine ON machine.id = outage.machine_id
          JOIN leasing_lease AS lease ON lease.id = machine.lease_id
         WHERE outage.ended_at IS NULL AND lease.state <> 'active'
        """,
    ),
    Rule(
        "I11",
        "No lease was paused for power before its notice was over, unless its tenant was ready.",
        """
        SELECT 'transition ' || change.seq || ' of lease ' || change.lease_id
          FROM leasing_transition AS change
         WHERE change.new = 'paused' AND change.reason = 'power'
           AND NOT EXISTS (SELECT FROM leasing_interruption AS row
                            WHERE row.lease_id = change.lease_id AND row.paused_at = change.at
                              AND change.at >= least(row.begins_at, row.ready_at))
        """,
    ),
    *(
        Rule(
            "I10",
            f"Every state of a {kind} has one row that says when, why and by whom it came about.",
            f"""
            SELECT '{kind} ' || thing.id || ' is ' || thing.state
              FROM {table} AS thing
             WHERE thing.state IS DISTINCT FROM (SELECT new FROM {rows} AS change WHERE change.{column} = thing.id
                                                  ORDER BY seq DESC LIMIT 1)
               AND EXISTS (SELECT FROM {rows} AS change WHERE change.{column} = thing.id)
            """,  # noqa: S608  our own names
        )
        for kind, table, rows, column in (
            ("lease", "leasing_lease", "leasing_transition", "lease_id"),
            ("machine", "leasing_machine", "leasing_machinetransition", "machine_id"),
            ("node", "marketplace_node", "marketplace_nodetransition", "node_id"),
            ("interruption", "leasing_interruption", "leasing_interruptiontransition", "interruption_id"),
        )
    ),
)


def broken(*, now: datetime) -> Iterator[str]:
    """A sentence for each thing that breaks a rule."""
    with connection.cursor() as cursor:
        for rule in RULES:
            cursor.execute(rule.finds, {"now": now})
            for (what,) in cursor.fetchall():
                yield f"{rule.number} {rule.says} Broken by {what}."
