"""An order looks at what its customer owes now, not at all that it ever had."""

import django.db.models.deletion
from django.db import migrations, models

OF_THE_LEASE = """
    UPDATE billing_meter AS meter SET organization_id = lease.organization_id
      FROM leasing_lease AS lease WHERE lease.id = meter.lease_id
"""


def organization(**more):
    return models.ForeignKey(
        db_index=False,
        editable=False,
        help_text="The lease's, so that what is open is found without all that is over.",
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to="accounts.organization",
        **more,
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_terms"), ("leasing", "0014_orders"), ("billing", "0011_ledger")]

    operations = [
        migrations.AddField("meter", "organization", organization(null=True)),
        migrations.RunSQL(OF_THE_LEASE, migrations.RunSQL.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField("meter", "organization", organization()),
        migrations.AddIndex(
            model_name="meter",
            index=models.Index(
                condition=models.Q(("closed_at", None)), fields=["organization"], name="meter_open_of_organization"
            ),
        ),
    ]
