"""
Where readings of GPUs are kept. No models: these tables are written and read in bulk by leasing.telemetry alone.

Partitions are made by leasing.telemetry.partitions. There are no foreign keys, which would cost more than the rows:
nodes and machines are never deleted. What each table is for: docs/adr/0012-telemetry-is-packed-by-the-hour.md.
"""

from django.db import migrations

METRICS = """
    samples smallint NOT NULL, utilization_avg smallint, utilization_max smallint, memory_max_mib integer,
    temperature_max_c smallint, power_avg_mw integer, energy_mj bigint, energy_first_mj bigint, energy_last_mj bigint
"""

FORWARD = f"""
CREATE TABLE leasing_gpu (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id bigint NOT NULL, index integer NOT NULL, uuid text NOT NULL,
    UNIQUE (node_id, index, uuid)
);
COMMENT ON TABLE leasing_gpu IS 'A GPU that was seen in a node; samples name it by its id.';

CREATE TABLE leasing_gpusample (
    at timestamptz NOT NULL, gpu integer NOT NULL, energy_mj bigint, memory_mib integer, power_mw integer, ecc integer,
    utilization smallint, temperature_c smallint, lost boolean NOT NULL,
    PRIMARY KEY (at, gpu)
) PARTITION BY RANGE (at);
COMMENT ON TABLE leasing_gpusample IS 'Samples of hours that are not packed yet, a partition for each hour.';

CREATE TABLE leasing_gpusamplehour (at timestamptz PRIMARY KEY, sealed boolean NOT NULL DEFAULT false);
COMMENT ON TABLE leasing_gpusamplehour IS 'Hours that have, or had, a partition. A sealed one takes no more samples.';

CREATE TABLE leasing_gpusamplelate (LIKE leasing_gpusample, PRIMARY KEY (at, gpu));
COMMENT ON TABLE leasing_gpusamplelate IS 'Samples that came after their hour was sealed, until they are merged.';

CREATE TABLE leasing_gpusamplebatch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, minute timestamptz NOT NULL
);
COMMENT ON TABLE leasing_gpusamplebatch IS 'Minutes for which samples came since they were last rolled up.';

CREATE TABLE leasing_gpusamplepack (
    node_id bigint NOT NULL, at timestamptz NOT NULL, samples integer NOT NULL, body bytea NOT NULL,
    PRIMARY KEY (node_id, at)
) PARTITION BY RANGE (at);
ALTER TABLE leasing_gpusamplepack ALTER body SET STORAGE EXTERNAL;  -- it is compressed already
COMMENT ON TABLE leasing_gpusamplepack IS 'All samples of a node and an hour (leasing.telemetry.packing).';

CREATE TABLE leasing_gpuminute (
    gpu integer NOT NULL, at timestamptz NOT NULL, {METRICS}, PRIMARY KEY (gpu, at)
) PARTITION BY RANGE (at);
CREATE TABLE leasing_gpuhour (
    gpu integer NOT NULL, at timestamptz NOT NULL, machine_id bigint NOT NULL, {METRICS},
    PRIMARY KEY (gpu, at, machine_id)
);
CREATE INDEX leasing_gpuhour_of_machine ON leasing_gpuhour (machine_id, at) WHERE machine_id <> 0;
COMMENT ON COLUMN leasing_gpuhour.machine_id IS 'Whose time it was; 0: nobody''s. An hour with two tenants is two rows.';

CREATE TABLE leasing_gpuxid (
    gpu integer NOT NULL, at timestamptz NOT NULL, code integer NOT NULL, PRIMARY KEY (gpu, at)
);
COMMENT ON TABLE leasing_gpuxid IS 'Xid errors of the driver: rare, so kept by themselves, for good.';

-- Every look rewrites every row: room on each page keeps the new version beside the old one, and off the index.
ALTER TABLE leasing_nodehealth SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
"""

BACKWARD = """
ALTER TABLE leasing_nodehealth RESET (fillfactor, autovacuum_vacuum_scale_factor);
DROP TABLE leasing_gpuxid, leasing_gpuhour, leasing_gpuminute, leasing_gpusamplepack, leasing_gpusamplebatch,
    leasing_gpusamplelate, leasing_gpusamplehour, leasing_gpusample, leasing_gpu;
"""


class Migration(migrations.Migration):
    dependencies = [("leasing", "0003_machines_that_can_be_trusted")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
