"""Months closed for everybody at once and frozen; invoices by transfer until they are paid; credit notes."""

import accounts.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_terms'),
        ('billing', '0014_prepaid'),
        ('leasing', '0013_booking'),
    ]

    operations = [
        migrations.CreateModel(
            name='Applied',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cents', models.BigIntegerField()),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='BankTransfer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='bt')),
                ('reference', models.CharField(max_length=100, unique=True)),
                ('amount_cents', models.BigIntegerField()),
                ('received_at', models.DateTimeField()),
                ('recorded_at', models.DateTimeField()),
                ('recorded_by', models.CharField(max_length=64)),
            ],
            options={
                'ordering': ['-received_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='CreditNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='cn')),
                ('number', models.CharField(max_length=20, unique=True)),
                ('issued_at', models.DateTimeField()),
                ('issued_by', models.CharField(max_length=64)),
                ('reason', models.CharField(max_length=200)),
                ('total_cents', models.BigIntegerField()),
                ('tax_cents', models.BigIntegerField(default=0)),
            ],
            options={
                'ordering': ['-issued_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='CreditNoteLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cents', models.BigIntegerField()),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='ParkedMonth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='mp')),
                ('period_start', models.DateField()),
                ('reason', models.CharField(max_length=300)),
                ('parked_at', models.DateTimeField()),
                ('released_at', models.DateTimeField(blank=True, null=True)),
                ('released_by', models.CharField(blank=True, max_length=64)),
                ('release_reason', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'ordering': ['-parked_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Reminder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('days', models.SmallIntegerField()),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='WriteOff',
            fields=[
                ('invoice', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='write_off', serialize=False, to='billing.invoice')),
                ('cents', models.BigIntegerField()),
                ('reason', models.CharField(max_length=200)),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=64)),
            ],
        ),
        migrations.AddField(
            model_name='billingaccount',
            name='buyer',
            field=models.TextField(blank=True, help_text="Name and address on invoices, line by line; empty: the organization's name.", max_length=400),
        ),
        migrations.AddField(
            model_name='billingaccount',
            name='purchase_order',
            field=models.CharField(blank=True, help_text="The customer's own number, for its invoices.", max_length=60),
        ),
        migrations.AddField(
            model_name='invoice',
            name='buyer',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='invoice',
            name='buyer_tax_id',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='invoice',
            name='due_on',
            field=models.DateField(blank=True, help_text='The last day on which a transfer is in time, UTC.', null=True),
        ),
        migrations.AddField(
            model_name='invoice',
            name='mode',
            field=models.CharField(choices=[('prepaid', 'from the wallet, topped up before'), ('metered', 'by card, at the end of each month'), ('invoiced', 'by transfer, 30 days after our invoice')], default='prepaid', max_length=10),
        ),
        migrations.AddField(
            model_name='invoice',
            name='purchase_order',
            field=models.CharField(blank=True, max_length=60),
        ),
        migrations.AddField(
            model_name='invoice',
            name='seller',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='invoice',
            name='seller_tax_id',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='invoice',
            name='sha256',
            field=models.CharField(blank=True, help_text='Empty: issued before invoices had one.', max_length=64),
        ),
        migrations.AddField(
            model_name='invoice',
            name='tax_cents',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='invoice',
            name='tax_note',
            field=models.CharField(blank=True, help_text='Such as that the buyer owes the tax.', max_length=300),
        ),
        migrations.AddField(
            model_name='invoice',
            name='tax_rate_ppm',
            field=models.PositiveIntegerField(default=0, help_text='Millionths of the net amount.'),
        ),
        migrations.AddField(
            model_name='invoicecounter',
            name='at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='ledgeraccount',
            name='kind',
            field=models.CharField(choices=[('wallet', 'wallet'), ('revenue', 'revenue'), ('stripe_clearing', 'card payments'), ('promotions', 'promotional credit'), ('processor_fees', 'fees of the card processor'), ('rounding', 'rounding to cents'), ('taxes', 'taxes'), ('transfers', 'bank transfers'), ('written_off', 'written off')], max_length=20),
        ),
        migrations.AlterField(
            model_name='posting',
            name='kind',
            field=models.CharField(choices=[('top_up', 'top-up'), ('usage', 'usage'), ('usage_correction', 'usage correction'), ('refund', 'refund to card'), ('refund_failed', 'refund that failed'), ('credit', 'promotional credit'), ('credit_lapsed', 'promotional credit that ended'), ('early_return', 'fee for handing back early'), ('cancellation', 'cancellation fee'), ('resale_credit', 'credit for resold time'), ('processor_fee', 'fee of the card processor'), ('rounding', 'rounding of an invoice to cents'), ('tax', 'tax of an invoice'), ('transfer', 'bank transfer'), ('credit_note', 'credit note'), ('write_off', 'write-off')], max_length=20),
        ),
        migrations.AddIndex(
            model_name='posting',
            index=models.Index(condition=models.Q(('kind__in', ['early_return', 'cancellation', 'resale_credit'])), fields=['at'], name='posting_of_hand_backs'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('due_on__isnull', False), ('mode', 'invoiced')), models.Q(('due_on__isnull', True), models.Q(('mode', 'invoiced'), _negated=True)), _connector='OR'), name='invoice_is_due_if_by_transfer'),
        ),
        migrations.AddField(
            model_name='applied',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='applied', to='billing.invoice'),
        ),
        migrations.AddField(
            model_name='banktransfer',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bank_transfers', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='applied',
            name='transfer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='applied', to='billing.banktransfer'),
        ),
        migrations.AddField(
            model_name='creditnote',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='billing.invoice'),
        ),
        migrations.AddField(
            model_name='creditnote',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='creditnoteline',
            name='credit_note',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='billing.creditnote'),
        ),
        migrations.AddField(
            model_name='creditnoteline',
            name='line',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credited', to='billing.invoiceline'),
        ),
        migrations.AddField(
            model_name='parkedmonth',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='parked_months', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='reminder',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reminders', to='billing.invoice'),
        ),
        migrations.AddConstraint(
            model_name='writeoff',
            constraint=models.CheckConstraint(condition=models.Q(('cents__gt', 0)), name='write_off_is_of_money'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='writeoff',
            trigger=pgtrigger.compiler.Trigger(name='write_off_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='599e77f00500c7c3b83e373400b47541303732d3', operation='UPDATE OR DELETE', pgid='pgtrigger_write_off_is_append_only_aab1b', table='billing_writeoff', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='banktransfer',
            constraint=models.CheckConstraint(condition=models.Q(('amount_cents__gt', 0)), name='transfer_brings_money'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='banktransfer',
            trigger=pgtrigger.compiler.Trigger(name='transfer_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='a21a61b9838d73d5bbfaa3f495081cdf20c17caf', operation='UPDATE OR DELETE', pgid='pgtrigger_transfer_is_append_only_39ebf', table='billing_banktransfer', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='applied',
            constraint=models.UniqueConstraint(fields=('transfer', 'invoice'), name='transfer_applied_once'),
        ),
        migrations.AddConstraint(
            model_name='applied',
            constraint=models.CheckConstraint(condition=models.Q(('cents__gt', 0)), name='transfer_applies_money'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='applied',
            trigger=pgtrigger.compiler.Trigger(name='applied_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='304107bdabc1153e351318f2363357447861b64e', operation='UPDATE OR DELETE', pgid='pgtrigger_applied_is_append_only_5217b', table='billing_applied', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(('total_cents__gt', 0)), name='credit_note_gives'),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='credit_note_has_a_reason'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='creditnote',
            trigger=pgtrigger.compiler.Trigger(name='credit_note_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='519973d8abac685865e195038d21b25b634ae0d0', operation='UPDATE OR DELETE', pgid='pgtrigger_credit_note_is_append_only_03eea', table='billing_creditnote', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='creditnoteline',
            constraint=models.UniqueConstraint(fields=('credit_note', 'line'), name='credit_note_line_once'),
        ),
        migrations.AddConstraint(
            model_name='creditnoteline',
            constraint=models.CheckConstraint(condition=models.Q(('cents__gt', 0)), name='credit_note_line_gives'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='creditnoteline',
            trigger=pgtrigger.compiler.Trigger(name='credit_note_line_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='471d62d2c45a56535f9d255bb248cb793bd64340', operation='UPDATE OR DELETE', pgid='pgtrigger_credit_note_line_is_append_only_3f9b9', table='billing_creditnoteline', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='creditnoteline',
            trigger=pgtrigger.compiler.Trigger(name='never_more_than_the_line', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF NEW.cents + (SELECT coalesce(sum(cents), 0) FROM billing_creditnoteline WHERE line_id = NEW.line_id)\n       > (SELECT cents FROM billing_invoiceline WHERE id = NEW.line_id) THEN\n        RAISE EXCEPTION 'line % would be credited for more than it was charged', NEW.line_id\n              USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n", hash='1078277e23d83b6decae04dea116c564f7b0dd39', operation='INSERT', pgid='pgtrigger_never_more_than_the_line_ef77d', table='billing_creditnoteline', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='parkedmonth',
            constraint=models.UniqueConstraint(fields=('organization', 'period_start'), name='parked_once_per_period'),
        ),
        migrations.AddConstraint(
            model_name='parkedmonth',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('release_reason', ''), ('released_at', None), ('released_by', '')), models.Q(('released_at__isnull', False), models.Q(('released_by', ''), _negated=True), models.Q(('release_reason', ''), _negated=True)), _connector='OR'), name='parked_is_released_with_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='reminder',
            constraint=models.UniqueConstraint(fields=('invoice', 'days'), name='reminded_once'),
        ),
    ]
