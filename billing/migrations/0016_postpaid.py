"""Who pays by the month: trust and credit, what the processor was told, its invoices, and what ties out."""

import accounts.ids
import django.db.models.deletion
import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_terms'),
        ('billing', '0015_papers'),
        ('leasing', '0014_orders'),
    ]

    operations = [
        migrations.CreateModel(
            name='CardInvoice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='ci')),
                ('reference', models.CharField(max_length=255, unique=True)),
                ('charge_reference', models.CharField(blank=True, help_text='What paid it, as the processor calls it.', max_length=255)),
                ('number', models.CharField(max_length=80)),
                ('status', models.CharField(choices=[('open', 'to be paid'), ('paid', 'paid'), ('uncollectible', 'given up'), ('void', 'void')], max_length=15)),
                ('period_start', models.DateTimeField()),
                ('period_end', models.DateTimeField()),
                ('subtotal_cents', models.BigIntegerField(help_text='Net.')),
                ('total_cents', models.BigIntegerField(help_text='With tax.')),
                ('due_cents', models.BigIntegerField(help_text='Of it and of the balance before it, when it became final.')),
                ('paid_cents', models.BigIntegerField(default=0)),
                ('page_url', models.CharField(blank=True, max_length=2000)),
                ('pdf_url', models.CharField(blank=True, max_length=2000)),
                ('finalized_at', models.DateTimeField()),
                ('paid_at', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('failed_at', models.DateTimeField(blank=True, help_text='Since when its card has been failing.', null=True)),
                ('next_attempt_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-period_end', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Export',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('identifier', models.CharField(help_text='lease:hour:revision, at the processor too.', max_length=80, unique=True)),
                ('hour', models.DateTimeField(help_text='Its first moment, UTC.')),
                ('revision', models.PositiveIntegerField()),
                ('micros', models.BigIntegerField()),
                ('carry_micros', models.BigIntegerField()),
                ('value_micros', models.BigIntegerField()),
                ('at', models.DateTimeField(help_text='The moment that the processor is told.')),
                ('way', models.CharField(choices=[('event', 'event of the meter'), ('item', 'item of the next invoice'), ('nothing', 'nothing to tell'), ('missed', 'item for what came too late for its invoice')], max_length=8)),
                ('state', models.CharField(choices=[('pending', 'being sent'), ('counted', 'counted'), ('failed', 'not counted')], max_length=8)),
                ('written_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='MeteredPrice',
            fields=[
                ('event_name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('meter_reference', models.CharField(blank=True, max_length=255)),
                ('price_reference', models.CharField(blank=True, max_length=255)),
            ],
        ),
        migrations.CreateModel(
            name='MeteredSubscription',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='metered_subscription', serialize=False, to='accounts.organization')),
                ('reference', models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ('started_at', models.DateTimeField(blank=True, help_text='Nothing before it is counted.', null=True)),
                ('ends_at', models.DateTimeField(blank=True, help_text='It was told to end then.', null=True)),
                ('begun_number', models.BigIntegerField(default=0, help_text='The link before the first that is told.')),
                ('exported_number', models.BigIntegerField(default=0)),
                ('carry_micros', models.BigIntegerField(default=0)),
                ('card_reference', models.CharField(blank=True, help_text='The card that months are charged to.', max_length=255)),
                ('looked_at', models.DateTimeField(blank=True, help_text='When its invoices were last asked for.', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='TieOut',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('span', models.CharField(choices=[('day', 'day, with the meter'), ('month', 'month, with the invoice')], max_length=5)),
                ('day', models.DateField(help_text='UTC; of a month the one on which its invoice begins.')),
                ('posted_micros', models.BigIntegerField(help_text='By the ledger.')),
                ('exported_micros', models.BigIntegerField(help_text='By our rows of those postings.')),
                ('told_micros', models.BigIntegerField(help_text='By our rows that the processor has.')),
                ('counted_micros', models.BigIntegerField(help_text='By the processor.')),
                ('allowed_micros', models.BigIntegerField(default=0, help_text='A cent for each line that was rounded.')),
                ('checked_at', models.DateTimeField()),
                ('differs_since', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-day', 'organization'],
            },
        ),
        migrations.AddField(
            model_name='billingaccount',
            name='trust',
            field=models.CharField(choices=[('new', 'new: as long as its payments have stood'), ('known', 'known'), ('trusted', 'trusted'), ('enterprise', 'enterprise')], default='new', max_length=10),
        ),
        migrations.AlterField(
            model_name='gatewaycall',
            name='kind',
            field=models.CharField(choices=[('customer', 'make the customer known'), ('checkout', 'open a page to pay at'), ('refund', 'send money back to a card'), ('card_page', 'open a page to save a card at'), ('card_release', 'let a saved card go'), ('charge', 'charge a saved card'), ('confirm', "lead a card's owner to the bank"), ('call_off', 'call off a charge'), ('billed_card', 'charge months to a card'), ('meter', 'make the meter'), ('metered_price', 'make the price of what is metered'), ('subscription', 'bill by the month'), ('subscription_end', 'end or go on billing by the month'), ('meter_event', 'count what was charged'), ('invoice_item', 'put on the next invoice')], max_length=24),
        ),
        migrations.AlterField(
            model_name='posting',
            name='kind',
            field=models.CharField(choices=[('top_up', 'top-up'), ('usage', 'usage'), ('usage_correction', 'usage correction'), ('refund', 'refund to card'), ('refund_failed', 'refund that failed'), ('credit', 'promotional credit'), ('credit_lapsed', 'promotional credit that ended'), ('early_return', 'fee for handing back early'), ('cancellation', 'cancellation fee'), ('resale_credit', 'credit for resold time'), ('processor_fee', 'fee of the card processor'), ('rounding', 'rounding of an invoice to cents'), ('tax', 'tax of an invoice'), ('transfer', 'bank transfer'), ('credit_note', 'credit note'), ('write_off', 'write-off'), ('card_invoice', 'monthly invoice paid by card')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='billingaccount',
            constraint=models.CheckConstraint(condition=models.Q(('trust__in', ['new', 'known', 'trusted', 'enterprise'])), name='billing_trust_is_known'),
        ),
        migrations.AddField(
            model_name='cardinvoice',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='card_invoices', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='export',
            name='lease',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leasing.lease'),
        ),
        migrations.AddField(
            model_name='export',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exports', to='accounts.organization'),
        ),
        migrations.AddConstraint(
            model_name='meteredsubscription',
            constraint=models.CheckConstraint(condition=models.Q(('carry_micros__lte', 0)), name='metered_carry_is_never_owed'),
        ),
        migrations.AddConstraint(
            model_name='meteredsubscription',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reference', None), ('started_at', None)), models.Q(('reference__isnull', False), ('started_at__isnull', False)), _connector='OR'), name='metered_subscription_has_started'),
        ),
        migrations.AddField(
            model_name='tieout',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tie_outs', to='accounts.organization'),
        ),
        migrations.AddIndex(
            model_name='cardinvoice',
            index=models.Index(condition=models.Q(('status', 'open')), fields=['failed_at'], name='card_invoice_failing'),
        ),
        migrations.AddConstraint(
            model_name='cardinvoice',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['open', 'paid', 'uncollectible', 'void'])), name='card_invoice_status_known'),
        ),
        migrations.AddConstraint(
            model_name='cardinvoice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'paid'), _negated=True), ('paid_at__isnull', False), _connector='OR'), name='card_invoice_paid_has_a_time'),
        ),
        migrations.AddIndex(
            model_name='export',
            index=models.Index(fields=['organization', 'at'], name='export_by_time'),
        ),
        migrations.AddConstraint(
            model_name='export',
            constraint=models.UniqueConstraint(fields=('organization', 'lease', 'hour', 'revision'), name='export_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='export',
            constraint=models.CheckConstraint(condition=models.Q(('value_micros__gte', 0)), name='export_is_never_negative'),
        ),
        migrations.AddConstraint(
            model_name='export',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('value_micros', 0), ('way', 'nothing')), models.Q(models.Q(('way', 'nothing'), _negated=True), ('value_micros__gt', 0)), _connector='OR'), name='export_tells_something'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='export',
            trigger=pgtrigger.compiler.Trigger(name='export_is_kept', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='3448144e1491239f35f69a6b6b341ae33219b761', operation='DELETE', pgid='pgtrigger_export_is_kept_fc518', table='billing_export', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='export',
            trigger=pgtrigger.compiler.Trigger(name='export_facts_stay', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."identifier" IS DISTINCT FROM (NEW."identifier") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."lease_id" IS DISTINCT FROM (NEW."lease_id") OR OLD."hour" IS DISTINCT FROM (NEW."hour") OR OLD."micros" IS DISTINCT FROM (NEW."micros") OR OLD."carry_micros" IS DISTINCT FROM (NEW."carry_micros") OR OLD."value_micros" IS DISTINCT FROM (NEW."value_micros") OR OLD."at" IS DISTINCT FROM (NEW."at") OR OLD."way" IS DISTINCT FROM (NEW."way"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='67582ed6d76347c071031e7e902f272f8fb7643a', operation='UPDATE', pgid='pgtrigger_export_facts_stay_8fd9d', table='billing_export', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='tieout',
            index=models.Index(condition=models.Q(('differs_since__isnull', False)), fields=['differs_since'], name='tie_out_open'),
        ),
        migrations.AddConstraint(
            model_name='tieout',
            constraint=models.UniqueConstraint(fields=('organization', 'span', 'day'), name='tie_out_once'),
        ),
        migrations.AddConstraint(
            model_name='tieout',
            constraint=models.CheckConstraint(condition=models.Q(('differs_since__isnull', False), models.Q(('counted_micros__gte', django.db.models.expressions.CombinedExpression(models.F('told_micros'), '-', models.F('allowed_micros'))), ('counted_micros__lte', django.db.models.expressions.CombinedExpression(models.F('told_micros'), '+', models.F('allowed_micros'))), ('posted_micros', models.F('exported_micros'))), _connector='OR'), name='tie_out_matches_or_is_open'),
        ),
    ]
