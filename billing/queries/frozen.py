"""
What freezes a paper: the SHA-256 of its text, one JSON list for its head and one for each line, joined by line feeds.
Anybody can build the same text from what is printed: `json.dumps(row, ensure_ascii=False)` in Python writes it.
"""

from billing.queries.lines import IN_ORDER

# `invoice` and `organization` are in scope, and `text`, of which LINE_TEXTS has one for each invoice.
HEAD = """
    json_build_array(invoice.number, organization.public_id, invoice.period_start, invoice.mode, invoice.due_on,
                     invoice.purchase_order, invoice.seller, invoice.seller_tax_id, invoice.buyer, invoice.buyer_tax_id,
                     invoice.tax_rate_ppm, invoice.tax_note, invoice.tax_cents, invoice.total_cents)::text
"""
SHA256 = f"encode(sha256(convert_to({HEAD} || E'\\n' || text.lines, 'UTF8')), 'hex')"


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
