"""Tax that the card processor works out for invoices of ours: what it was asked of a month, and what it said."""

import accounts.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_webhooks'),
        ('billing', '0021_tax'),
    ]

    operations = [
        migrations.AddField(
            model_name='parkedmonth',
            name='lacks_tax',
            field=models.BooleanField(default=False, help_text="It waits for the card processor's tax: released, it is closed without, if need be."),
        ),
        migrations.AlterField(
            model_name='gatewaycall',
            name='kind',
            field=models.CharField(choices=[('customer', 'make the customer known'), ('checkout', 'open a page to pay at'), ('refund', 'send money back to a card'), ('card_page', 'open a page to save a card at'), ('card_release', 'let a saved card go'), ('charge', 'charge a saved card'), ('confirm', "lead a card's owner to the bank"), ('call_off', 'call off a charge'), ('tax_id', 'have a tax id checked'), ('tax_id_off', 'take a tax id off a customer'), ('address', 'tell where a customer is'), ('tax_calculation', 'work out the tax on a month'), ('tax_record', 'take note of the tax on an invoice'), ('tax_reversal', 'take note of the tax on a credit note'), ('billed_card', 'charge months to a card'), ('meter', 'make the meter'), ('metered_price', 'make the price of what is metered'), ('subscription', 'bill by the month'), ('subscription_tax', 'work out tax on months, or not'), ('subscription_end', 'end or go on billing by the month'), ('meter_event', 'count what was charged'), ('invoice_item', 'put on the next invoice')], max_length=24),
        ),
        migrations.CreateModel(
            name='TaxCalculation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='tc')),
                ('period_start', models.DateField()),
                ('tax_id', models.CharField(blank=True, help_text="The profile's, if it was verified.", max_length=40)),
                ('net_cents', models.BigIntegerField()),
                ('asked_at', models.DateTimeField()),
                ('answered_at', models.DateTimeField(blank=True, null=True)),
                ('tax_cents', models.BigIntegerField(default=0)),
                ('note', models.CharField(blank=True, help_text='Whose tax it is, or why there is none.', max_length=300)),
                ('reference', models.CharField(blank=True, help_text="The processor's calculation; none where it found no address.", max_length=255)),
                ('recorded_at', models.DateTimeField(blank=True, help_text='When the processor had the invoiced tax.', null=True)),
                ('transaction', models.CharField(blank=True, help_text="The processor's transaction, if it said which it is.", max_length=255)),
                ('invoice', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tax_calculation', to='billing.invoice')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tax_calculations', to='accounts.organization')),
                ('profile', models.ForeignKey(help_text='Whose address.', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.taxprofile')),
            ],
            options={
                'ordering': ['-asked_at', '-id'],
                'indexes': [models.Index(condition=models.Q(('answered_at', None)), fields=['id'], name='tax_calculation_open')],
                'constraints': [models.UniqueConstraint(fields=('organization', 'period_start', 'profile', 'tax_id', 'net_cents'), name='tax_calculation_once_per_question'), models.UniqueConstraint(condition=models.Q(('reference', ''), _negated=True), fields=('reference',), name='tax_calculation_reference_once'), models.CheckConstraint(condition=models.Q(('net_cents__gt', 0)), name='tax_calculation_of_something'), models.CheckConstraint(condition=models.Q(models.Q(('answered_at__isnull', False), ('tax_cents__gte', 0)), models.Q(('answered_at', None), ('invoice', None), ('note', ''), ('reference', ''), ('tax_cents', 0)), _connector='OR'), name='tax_calculation_answers_as_a_whole'), models.CheckConstraint(condition=models.Q(models.Q(('reference', ''), _negated=True), ('tax_cents', 0), _connector='OR'), name='tax_calculation_without_reference_has_no_tax'), models.CheckConstraint(condition=models.Q(models.Q(('recorded_at', None), ('transaction', '')), models.Q(('invoice__isnull', False), ('recorded_at__isnull', False), models.Q(('reference', ''), _negated=True)), _connector='OR'), name='tax_calculation_is_recorded_behind_its_invoice')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='taxcalculation',
            trigger=pgtrigger.compiler.Trigger(name='tax_calculation_is_kept', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='bf0bee421c6f32dd9fd1e0103968bc32cca0dce5', operation='DELETE', pgid='pgtrigger_tax_calculation_is_kept_72a64', table='billing_taxcalculation', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='taxcalculation',
            trigger=pgtrigger.compiler.Trigger(name='tax_calculation_stays_as_asked', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."asked_at" IS DISTINCT FROM (NEW."asked_at") OR OLD."net_cents" IS DISTINCT FROM (NEW."net_cents") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."period_start" IS DISTINCT FROM (NEW."period_start") OR OLD."profile_id" IS DISTINCT FROM (NEW."profile_id") OR OLD."tax_id" IS DISTINCT FROM (NEW."tax_id"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='98d573048f0aab7696d624419fd9d226479dd38d', operation='UPDATE', pgid='pgtrigger_tax_calculation_stays_as_asked_a45eb', table='billing_taxcalculation', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='taxcalculation',
            trigger=pgtrigger.compiler.Trigger(name='tax_calculation_says_each_thing_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.answered_at IS NOT NULL AND (OLD.answered_at, OLD.tax_cents, OLD.note, OLD.reference)\n                                     IS DISTINCT FROM (NEW.answered_at, NEW.tax_cents, NEW.note, NEW.reference)\n    OR OLD.invoice_id IS NOT NULL AND OLD.invoice_id IS DISTINCT FROM NEW.invoice_id\n    OR OLD.recorded_at IS NOT NULL AND (OLD.recorded_at, OLD.transaction)\n                                        IS DISTINCT FROM (NEW.recorded_at, NEW.transaction))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='b75d9890ff4b6611850137e908c35e41ecd8af48', operation='UPDATE', pgid='pgtrigger_tax_calculation_says_each_thing_once_911bd', table='billing_taxcalculation', when='BEFORE')),
        ),
    ]
