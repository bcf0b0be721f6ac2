"""The energy of an invoice's leases, frozen with it; standing orders that take surplus."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_terms'),
        ('billing', '0019_late_notice'),
        ('leasing', '0016_interruptions'),  # later ones need what they create, in an order that is not theirs
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='InvoiceEnergy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('measured_hours', models.PositiveIntegerField(default=0, help_text='By counters of the GPUs.')),
                ('estimated_hours', models.PositiveIntegerField(default=0, help_text="By the draw of the node's type.")),
                ('missing_hours', models.PositiveIntegerField(default=0, help_text='Nobody knows; counted as nothing.')),
                ('energy_wh', models.BigIntegerField(default=0, help_text='With cooling and losses.')),
                ('renewable_wh', models.BigIntegerField(default=0, help_text='Of those.')),
                ('location_ug', models.BigIntegerField(default=0, help_text="Micrograms of CO2-equivalent, by the grid's mix.")),
                ('market_ug', models.BigIntegerField(default=0, help_text='The same by contracts for green power: instead, not too.')),
                ('month', models.DateField()),
                ('complete', models.BooleanField(help_text='Whether all of the month was counted. Else the rest is to follow.')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddField(
            model_name='standingorder',
            name='accepts_surplus',
            field=models.BooleanField(default=False, help_text='Whether a surplus plan will do, which may pause the lease after its notice.'),
        ),
        migrations.AddConstraint(
            model_name='standingorder',
            constraint=models.CheckConstraint(condition=models.Q(('accepts_surplus', False), ('length_seconds', None), _connector='OR'), name='standing_order_takes_surplus_without_a_length'),
        ),
        migrations.AddField(
            model_name='invoiceenergy',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='energy', to='billing.invoice'),
        ),
        migrations.AddField(
            model_name='invoiceenergy',
            name='lease',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leasing.lease'),
        ),
        migrations.AddConstraint(
            model_name='invoiceenergy',
            constraint=models.UniqueConstraint(fields=('lease', 'month', 'invoice'), name='invoice_energy_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='invoiceenergy',
            trigger=pgtrigger.compiler.Trigger(name='invoice_energy_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='a6f3441ac3d940b46bde30b533cd83e99ce0d21f', operation='UPDATE OR DELETE', pgid='pgtrigger_invoice_energy_is_append_only_e6516', table='billing_invoiceenergy', when='BEFORE')),
        ),
    ]
