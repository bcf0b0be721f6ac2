"""The ledger: postings sum to zero, balances to their entries, and nothing was rewritten."""

from billing.invariants.rule import Rule

RULES = (
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
)
