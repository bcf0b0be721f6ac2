"""What wallets pay of invoices by transfer, and which of those are open."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

# Those that are open by what was recorded so far; the first sweep has the wallets pay what they can.
OPEN_SO_FAR = """
    INSERT INTO billing_outstanding (invoice_id)
    SELECT id FROM billing_invoice AS invoice
     WHERE mode = 'invoiced'
       AND total_cents > coalesce((SELECT sum(cents) FROM billing_applied WHERE invoice_id = invoice.id), 0)
                         + coalesce((SELECT sum(cents) FROM billing_writeoff WHERE invoice_id = invoice.id), 0)
                         + coalesce((SELECT sum(total_cents) FROM billing_creditnote WHERE invoice_id = invoice.id), 0)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0022_calculated_tax'),
    ]

    operations = [
        migrations.CreateModel(
            name='Outstanding',
            fields=[
                ('invoice', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='outstanding', serialize=False, to='billing.invoice')),
            ],
        ),
        migrations.CreateModel(
            name='SetOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cents', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='set_offs', to='billing.invoice')),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('cents', 0), _negated=True), name='set_off_is_of_money')],
            },
        ),
        migrations.RunSQL(OPEN_SO_FAR, migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name='setoff',
            trigger=pgtrigger.compiler.Trigger(name='set_off_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='a7cc919e01b2551d52a52f75d19cc41eb876dada', operation='UPDATE OR DELETE', pgid='pgtrigger_set_off_is_append_only_39714', table='billing_setoff', when='BEFORE')),
        ),
    ]
