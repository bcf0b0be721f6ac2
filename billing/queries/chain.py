"""Whether the ledger of an organization is what was written: every posting has its link, and every link holds."""

from dataclasses import dataclass

from django.db import connection

from accounts.models import Organization
from billing.models import Posting


@dataclass(frozen=True)
class Broken:
    """The first link that does not hold, by its number in the chain, and the posting (le_…) that it is of."""

    number: int
    posting: str
    says: str


# What a link must be, from the posting's facts and the link before it.
STATEMENT = """
WITH link AS (
    SELECT posting_id, number, previous_hash, hash,
           lag(number, 1, 0::bigint) OVER (ORDER BY number) AS before,
           lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY number) AS hash_before
      FROM billing_link WHERE organization_id = %(organization)s
)
SELECT link.number, posting.public_id,
       CASE WHEN link.number <> before + 1 THEN 'a link before it is missing'
            WHEN previous_hash <> hash_before THEN 'the link before it is another one'
            ELSE 'the posting or its entries are not what was written' END
  FROM link
  JOIN billing_posting AS posting ON posting.id = link.posting_id
  JOIN billing_posting_facts(ARRAY(SELECT posting_id FROM link)) AS facts ON facts.posting_id = link.posting_id
 WHERE link.number <> before + 1 OR previous_hash <> hash_before
    OR hash <> billing_link_hash(link.number, previous_hash, facts.facts)
 ORDER BY link.number LIMIT 1
"""


def verify(*, organization: Organization) -> Broken | None:
    """Read the whole chain of an organization; None if it holds."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, {"organization": organization.pk})
        found = cursor.fetchone()
    if found:
        return Broken(*found)
    loose = Posting.objects.filter(organization=organization, link=None).order_by("pk").first()
    return Broken(0, loose.public_id, "the posting is not in the chain") if loose else None
