"""States: nobody is on a machine without an active lease, and each state has a row that says why."""

from billing.invariants.rule import Rule

RULES = (
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
        "I9c",
        "No machine stands still but in a lease that is paused: what stands still is not charged.",
        """
        SELECT 'machine ' || machine.public_id || ' is ' || machine.state || ', its lease ' || lease.state
          FROM leasing_machine AS machine
          JOIN leasing_lease AS lease ON lease.id = machine.lease_id
         WHERE machine.state IN ('pausing', 'paused', 'resuming') AND lease.state <> 'paused'
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
