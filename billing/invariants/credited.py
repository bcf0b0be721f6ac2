"""What was kept, credited or adjusted: in the ledger, once, and as it was decided."""

from billing.invariants.rule import Rule

RULES = (
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
)
