"""What staff give away waits for a second person too: gifts, credit notes and write-offs are kinds of adjustments."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0023_set_off'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='adjustment',
            name='adjustment_stays_as_asked',
        ),
        migrations.AddField(
            model_name='adjustment',
            name='kind',
            field=models.CharField(choices=[('adjustment', 'adjustment'), ('gift', 'promotional credit'), ('credit_note', 'credit note'), ('write_off', 'write-off')], default='adjustment', max_length=12),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='wanted',
            field=models.JSONField(blank=True, default=dict),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='adjustment',
            trigger=pgtrigger.compiler.Trigger(name='adjustment_stays_as_asked', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."amount_micros" IS DISTINCT FROM (NEW."amount_micros") OR OLD."asked_at" IS DISTINCT FROM (NEW."asked_at") OR OLD."asked_by_id" IS DISTINCT FROM (NEW."asked_by_id") OR OLD."invoice_line_id" IS DISTINCT FROM (NEW."invoice_line_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."lease_id" IS DISTINCT FROM (NEW."lease_id") OR OLD."needs_second" IS DISTINCT FROM (NEW."needs_second") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."wanted" IS DISTINCT FROM (NEW."wanted") OR OLD."words" IS DISTINCT FROM (NEW."words"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='04bf59121024cf807a80f38cc0dd1e5435fddc4d', operation='UPDATE', pgid='pgtrigger_adjustment_stays_as_asked_66e8c', table='billing_adjustment', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['adjustment', 'gift', 'credit_note', 'write_off'])), name='adjustment_kind_is_known'),
        ),
    ]
