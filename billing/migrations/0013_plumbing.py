"""All calls to the card processor in one outbox, objects that are polled, and a daily reconciliation."""

import accounts.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_terms'),
        ('billing', '0012_orders'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Pace',
            fields=[
                ('endpoint', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('free_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Reconciliation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(unique=True)),
                ('objects_compared', models.PositiveIntegerField()),
                ('processor_cents', models.BigIntegerField()),
                ('ledger_cents', models.BigIntegerField()),
                ('fees_cents', models.BigIntegerField(help_text='What the processor kept that day.')),
                ('at', models.DateTimeField(help_text='When it was done.')),
            ],
        ),
        migrations.CreateModel(
            name='Watermark',
            fields=[
                ('kind', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.AlterField(
            model_name='gatewaycall',
            name='kind',
            field=models.CharField(choices=[('customer', 'make the customer known'), ('checkout', 'open a page to pay at'), ('refund', 'send money back to a card')], max_length=24),
        ),
        migrations.AlterField(
            model_name='ledgeraccount',
            name='kind',
            field=models.CharField(choices=[('wallet', 'wallet'), ('revenue', 'revenue'), ('stripe_clearing', 'card payments'), ('promotions', 'promotional credit'), ('processor_fees', 'fees of the card processor')], max_length=20),
        ),
        migrations.AlterField(
            model_name='posting',
            name='kind',
            field=models.CharField(choices=[('top_up', 'top-up'), ('usage', 'usage'), ('usage_correction', 'usage correction'), ('refund', 'refund to card'), ('refund_failed', 'refund that failed'), ('credit', 'promotional credit'), ('early_return', 'fee for handing back early'), ('cancellation', 'cancellation fee'), ('resale_credit', 'credit for resold time'), ('processor_fee', 'fee of the card processor')], max_length=20),
        ),
        migrations.AlterField(
            model_name='refund',
            name='attempts',
            field=models.PositiveIntegerField(default=0, help_text='How often the processor was asked how far it is.'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='next_attempt_at',
            field=models.DateTimeField(help_text='When to ask next, in case its message never comes.'),
        ),
        migrations.CreateModel(
            name='Discrepancy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='dc')),
                ('day', models.DateField(help_text='On which it was found to differ.')),
                ('source', models.CharField(help_text="The processor's object, or our posting where it has none.", max_length=255)),
                ('processor_cents', models.BigIntegerField()),
                ('ledger_cents', models.BigIntegerField()),
                ('found_at', models.DateTimeField()),
                ('gone_at', models.DateTimeField(blank=True, help_text='When both agreed again.', null=True)),
                ('explained_at', models.DateTimeField(blank=True, null=True)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('explained_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('organization', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='discrepancies', to='accounts.organization')),
            ],
            options={
                'verbose_name_plural': 'discrepancies',
                'ordering': ['-found_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Forgery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('reason', models.CharField(max_length=80)),
                ('count', models.PositiveIntegerField(default=0)),
                ('last_at', models.DateTimeField()),
            ],
            options={
                'verbose_name_plural': 'forgeries',
                'constraints': [models.UniqueConstraint(fields=('day', 'reason'), name='forgery_counted_by_day_and_reason')],
            },
        ),
        migrations.CreateModel(
            name='Movement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(help_text="The processor's balance transaction.", max_length=255, unique=True)),
                ('kind', models.CharField(help_text="In the processor's words: charge, refund, …", max_length=60)),
                ('source', models.CharField(help_text="The processor's object that it is of; itself if of none.", max_length=255)),
                ('at', models.DateTimeField()),
                ('amount_cents', models.BigIntegerField(help_text='Before its fee; less than 0 when it goes out.')),
                ('fee_cents', models.BigIntegerField(default=0)),
            ],
            options={
                'indexes': [models.Index(fields=['at'], name='movement_by_time'), models.Index(fields=['source'], name='movement_by_source')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='movement',
            trigger=pgtrigger.compiler.Trigger(name='movement_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='e5dbf1f4290e8d7656f56dc2c03181325f0962da', operation='UPDATE OR DELETE', pgid='pgtrigger_movement_is_append_only_7b8d2', table='billing_movement', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reconciliation',
            trigger=pgtrigger.compiler.Trigger(name='reconciliation_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='952e7c7c900e8c6380b1360e16755f1f88291100', operation='UPDATE OR DELETE', pgid='pgtrigger_reconciliation_is_append_only_df0ce', table='billing_reconciliation', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='discrepancy',
            constraint=models.UniqueConstraint(condition=models.Q(('explained_at', None), ('gone_at', None)), fields=('source',), name='discrepancy_open_once'),
        ),
        migrations.AddConstraint(
            model_name='discrepancy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('explained_at', None), ('explained_by', None), ('reason', '')), models.Q(('explained_at__isnull', False), ('explained_by__isnull', False), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='discrepancy_explained_has_who_and_why'),
        ),
    ]
