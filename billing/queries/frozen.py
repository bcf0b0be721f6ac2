"""
What freezes a paper: the SHA-256 of its text, one JSON list for its head, one for each line and one for the energy of
each lease in a month, joined by line feeds. Anybody can build the same text from what is printed:
`json.dumps(row, ensure_ascii=False)` in Python writes it.
"""

from billing.queries.lines import IN_ORDER
from leasing.models import SUMMED

# In scope are `invoice` and `organization`; `text`, which line_texts has for each invoice; and `energy`, which
# energy_texts has for those whose energy was counted.
HEAD = """
    json_build_array(invoice.number, organization.public_id, invoice.period_start, invoice.mode, invoice.due_on,
                     invoice.purchase_order, invoice.seller, invoice.seller_tax_id, invoice.buyer, invoice.buyer_tax_id,
                     invoice.tax_rate_ppm, invoice.tax_note, invoice.tax_cents, invoice.total_cents)::text
"""
TEXT = f"{HEAD} || E'\\n' || text.lines || coalesce(E'\\n' || energy.lines, '')"
SHA256 = f"encode(sha256(convert_to({TEXT}, 'UTF8')), 'hex')"


def line_texts(key: str, relation: str) -> str:
    """SQL for the text of the lines in `relation`, for each value of its column `key`."""
    return f"""
        SELECT line.{key},
               string_agg(json_build_array(lease.public_id, line.kind, line.description, line.seconds, line.nodes,
                                           line.outage_node_seconds, line.micros_per_node_hour, line.micros,
                                           line.cents)::text, E'\\n' ORDER BY {IN_ORDER}) AS lines
          FROM {relation} AS line
          JOIN leasing_lease AS lease ON lease.id = line.lease_id
         GROUP BY line.{key}
    """  # noqa: S608  our own names


def energy_texts(key: str, relation: str) -> str:
    """SQL for the text of the energy in `relation`, for each value of its column `key`."""
    sums = ", ".join(f"used.{name}" for name in SUMMED)
    return f"""
        SELECT used.{key},
               string_agg(json_build_array(lease.public_id, used.month, used.complete, {sums})::text, E'\\n'
                          ORDER BY used.lease_id, used.month) AS lines
          FROM {relation} AS used
          JOIN leasing_lease AS lease ON lease.id = used.lease_id
         GROUP BY used.{key}
    """  # noqa: S608  our own names
