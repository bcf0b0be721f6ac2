"""Nodes: claimed once, never lost, and in stock only when they were wiped."""

from billing.invariants.rule import Rule

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
        "I1d",
        "A lease has its nodes to its last moment, but for those that were replaced and are being wiped: what lies "
        "behind a claim may be sold.",
        """
        SELECT 'claim ' || claim.id || ' of lease ' || lease.public_id
          FROM leasing_claim AS claim
          JOIN leasing_lease AS lease ON lease.id = claim.lease_id
         WHERE claim.released_at IS NULL AND upper(claim.period) < coalesce(lease.ends_at, lease.guaranteed_until)
           AND lease.state IN ('held', 'scheduled', 'provisioning', 'active', 'paused')
           AND NOT EXISTS (SELECT FROM leasing_machine AS machine
                            WHERE machine.lease_id = lease.id AND machine.node_id = claim.node_id
                              AND machine.state IN ('wiping', 'wipe_failed'))
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
)
