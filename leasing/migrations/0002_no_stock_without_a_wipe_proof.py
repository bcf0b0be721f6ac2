"""The database refuses a node as available while any tenant it had lacks a verified wipe that began after access ended."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION leasing_refuse_unwiped_node() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM leasing_machine AS machine
         WHERE machine.node_id = NEW.id AND machine.touched_at IS NOT NULL
           AND NOT EXISTS (
               SELECT 1 FROM leasing_wiperecord AS wipe
                WHERE wipe.machine_id = machine.id AND wipe.node_id = NEW.id AND wipe.verified
                  AND wipe.started_at >= machine.access_ended_at)
    ) THEN
        RAISE EXCEPTION 'Node % has no verified wipe record newer than its last tenant.', NEW.name
            USING ERRCODE = 'check_violation', CONSTRAINT = 'node_available_needs_wipe_proof';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER node_available_needs_wipe_proof
    BEFORE UPDATE OF state ON marketplace_node
    FOR EACH ROW WHEN (NEW.state = 'available' AND OLD.state <> 'available')
    EXECUTE FUNCTION leasing_refuse_unwiped_node();
"""

BACKWARD = """
DROP TRIGGER node_available_needs_wipe_proof ON marketplace_node;
DROP FUNCTION leasing_refuse_unwiped_node();
"""


class Migration(migrations.Migration):
    dependencies = [("leasing", "0001_initial"), ("marketplace", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
