from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leasing", "0011_budget")]

    operations = [
        migrations.AddField(
            model_name="lease",
            name="same_fabric",
            field=models.BooleanField(default=False, help_text="All its nodes are of one fabric group."),
        ),
        migrations.AddField(
            model_name="lease",
            name="slug",
            field=models.SlugField(
                db_index=False,
                default="lease",
                help_text="How the names of its machines begin; never changed.",
                max_length=40,
            ),
        ),
        migrations.AlterField(
            model_name="lease",
            name="setup_version",
            field=models.PositiveIntegerField(
                default=1, help_text="Raised when keys, the deadline or a machine change; hosts follow."
            ),
        ),
        migrations.AddField(
            model_name="machine",
            name="number",
            field=models.PositiveSmallIntegerField(
                default=1, help_text="From 1 on in the lease; a machine that takes the place of another takes its number."
            ),
        ),
        # the names that customers have copied from the page of a lease, as far as letters and digits go
        migrations.RunSQL(
            """
            UPDATE leasing_lease
               SET slug = coalesce(
                   nullif(trim(BOTH '-' FROM left(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), 40)), ''), 'lease')
            """,
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            """
            UPDATE leasing_machine AS row SET number = placed.number
              FROM (SELECT id, row_number() OVER (PARTITION BY lease_id ORDER BY id) AS number FROM leasing_machine
                     WHERE state NOT IN ('wiping', 'wiped', 'wipe_failed', 'withdrawn')) AS placed
             WHERE placed.id = row.id
            """,
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="machine",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("state__in", ["paused", "pausing", "pending", "preparing", "ready", "resuming", "servicing"])
                ),
                fields=("lease", "number"),
                name="machine_number_once",
            ),
        ),
    ]
