"""Credits by rule, disputes, adjustments by staff, and tax profiles."""

import accounts.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_terms'),
        ('billing', '0016_postpaid'),
        ('leasing', '0014_orders'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Adjustment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='ad')),
                ('amount_micros', models.BigIntegerField(help_text='Micro-dollars; less than nothing: taken from the wallet.')),
                ('words', models.CharField(help_text='What the customer reads in the ledger.', max_length=120)),
                ('reason', models.CharField(help_text='For staff; shown to nobody else.', max_length=400)),
                ('needs_second', models.BooleanField(help_text='By the limit when it was asked for.')),
                ('state', models.CharField(choices=[('waiting', 'waiting for a second person'), ('posted', 'posted'), ('refused', 'refused'), ('expired', 'not decided in time')], max_length=8)),
                ('asked_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(help_text="Without a second person's word by then it is off.")),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('approve_adjustment', 'Can decide on adjustments of others')],
            },
        ),
        migrations.CreateModel(
            name='CreditRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('outage', 'a node did not serve'), ('late_start', 'the lease began later than agreed'), ('short_notice', 'a pause came with less notice than promised')], max_length=12)),
                ('announced_at', models.DateTimeField(help_text='When it was published.')),
                ('starts_at', models.DateTimeField(help_text='It is for leases that are ordered from then on.')),
                ('from_seconds', models.PositiveIntegerField(help_text='What is shorter is not credited; the rest from its beginning.')),
                ('percent', models.PositiveIntegerField(help_text='Of the price of that time, besides its being free; 500: 5 times.')),
                ('most_percent', models.PositiveIntegerField(help_text='Of what the lease costs in the month, for all credits in it.')),
            ],
            options={
                'ordering': ['kind', '-starts_at'],
            },
        ),
        migrations.CreateModel(
            name='Dispute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='dp')),
                ('reference', models.CharField(help_text="The processor's dispute.", max_length=255, unique=True)),
                ('state', models.CharField(choices=[('warning_needs_response', 'inquiry: an answer is due'), ('warning_under_review', 'inquiry: the bank reads our answer'), ('prevented', 'settled before it began'), ('warning_closed', 'inquiry closed'), ('needs_response', 'an answer is due'), ('under_review', 'the bank reads our answer'), ('won', 'won'), ('lost', 'lost')], max_length=24)),
                ('reason', models.CharField(help_text="The bank's word, such as fraudulent.", max_length=80)),
                ('amount_cents', models.BigIntegerField()),
                ('evidence_due_at', models.DateTimeField(blank=True, help_text='Without an answer by then it is lost.', null=True)),
                ('opened_at', models.DateTimeField(help_text='When we learned of it.')),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='FraudWarning',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(help_text="The processor's warning.", max_length=255, unique=True)),
                ('kind', models.CharField(help_text="The bank's word, such as made_with_stolen_card.", max_length=80)),
                ('at', models.DateTimeField(help_text='When we learned of it.')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='RuleCredit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fact_at', models.DateTimeField(help_text='When the promise was broken; its month has the cap.')),
                ('node_seconds', models.BigIntegerField(help_text='Of the broken promise, as known by then.')),
                ('micros', models.BigIntegerField()),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='TaxProfile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='tp')),
                ('version', models.PositiveIntegerField()),
                ('legal_name', models.CharField(max_length=120)),
                ('line1', models.CharField(max_length=120)),
                ('line2', models.CharField(blank=True, max_length=120)),
                ('city', models.CharField(max_length=80)),
                ('region', models.CharField(blank=True, help_text='State or province; in the US its two letters.', max_length=40)),
                ('postal_code', models.CharField(blank=True, max_length=20)),
                ('country', models.CharField(help_text='ISO 3166-1, two letters.', max_length=2)),
                ('tax_id_kind', models.CharField(blank=True, choices=[('eu_vat', 'EU VAT number'), ('gb_vat', 'UK VAT number'), ('ch_vat', 'Swiss VAT number'), ('no_vat', 'Norwegian VAT number'), ('au_abn', 'Australian ABN'), ('us_ein', 'US EIN')], max_length=10)),
                ('tax_id', models.CharField(blank=True, max_length=40)),
                ('tax_id_state', models.CharField(choices=[('none', 'no tax id'), ('pending', 'being checked'), ('verified', 'verified'), ('unverified', 'not known to the register'), ('unavailable', 'no register answers for it')], default='none', max_length=12)),
                ('reference', models.CharField(blank=True, help_text="The processor's tax id.", max_length=255)),
                ('declared_at', models.DateTimeField()),
                ('declared_by', models.CharField(help_text='Actor, such as user:us_….', max_length=80)),
                ('checked_at', models.DateTimeField(blank=True, help_text='When the register was last asked.', null=True)),
            ],
            options={
                'ordering': ['organization', '-version'],
            },
        ),
        migrations.AddField(
            model_name='meter',
            name='promises_due_at',
            field=models.DateTimeField(blank=True, help_text='When credits that met their cap are looked at again.', null=True),
        ),
        migrations.AddField(
            model_name='meter',
            name='promises_seen_at',
            field=models.DateTimeField(blank=True, help_text='What was known by then is credited.', null=True),
        ),
        migrations.AlterField(
            model_name='invoiceline',
            name='kind',
            field=models.CharField(choices=[('usage', 'use'), ('fee', 'fee for agreed time that was handed back'), ('credit', 'credit for handed-back time that others used'), ('adjust', 'adjustment'), ('promise', 'credit for promises not kept')], default='usage', max_length=8),
        ),
        migrations.AlterField(
            model_name='ledgeraccount',
            name='kind',
            field=models.CharField(choices=[('wallet', 'wallet'), ('revenue', 'revenue'), ('stripe_clearing', 'card payments'), ('promotions', 'promotional credit'), ('processor_fees', 'fees of the card processor'), ('rounding', 'rounding to cents'), ('taxes', 'taxes'), ('transfers', 'bank transfers'), ('written_off', 'written off'), ('adjustments', 'adjustments')], max_length=20),
        ),
        migrations.AlterField(
            model_name='posting',
            name='kind',
            field=models.CharField(choices=[('top_up', 'top-up'), ('usage', 'usage'), ('usage_correction', 'usage correction'), ('refund', 'refund to card'), ('refund_failed', 'refund that failed'), ('credit', 'promotional credit'), ('credit_lapsed', 'promotional credit that ended'), ('early_return', 'fee for handing back early'), ('cancellation', 'cancellation fee'), ('resale_credit', 'credit for resold time'), ('processor_fee', 'fee of the card processor'), ('rounding', 'rounding of an invoice to cents'), ('tax', 'tax of an invoice'), ('transfer', 'bank transfer'), ('credit_note', 'credit note'), ('write_off', 'write-off'), ('card_invoice', 'monthly invoice paid by card'), ('adjustment', 'adjustment'), ('dispute', 'disputed payment taken back'), ('dispute_returned', 'disputed payment returned'), ('promise_credit', 'credit for a promise not kept')], max_length=20),
        ),
        migrations.AddIndex(
            model_name='meter',
            index=models.Index(condition=models.Q(('promises_seen_at', None)), fields=['lease'], name='meter_unpromised'),
        ),
        migrations.AddIndex(
            model_name='meter',
            index=models.Index(condition=models.Q(('promises_due_at__isnull', False)), fields=['promises_due_at'], name='meter_promises_due'),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='asked_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='decided_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='invoice_line',
            field=models.ForeignKey(blank=True, help_text='That it corrects.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.invoiceline'),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='lease',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leasing.lease'),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='adjustments', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='posting',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='adjustment', to='billing.posting'),
        ),
        migrations.AddConstraint(
            model_name='creditrule',
            constraint=models.UniqueConstraint(fields=('kind', 'starts_at'), name='credit_rule_once_per_moment'),
        ),
        migrations.AddConstraint(
            model_name='creditrule',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['outage', 'late_start', 'short_notice'])), name='credit_rule_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='creditrule',
            constraint=models.CheckConstraint(condition=models.Q(('most_percent__lte', 100), ('percent__lte', 10000)), name='credit_rule_has_bounds'),
        ),
        migrations.AddConstraint(
            model_name='creditrule',
            constraint=models.CheckConstraint(condition=models.Q(('starts_at__gte', models.F('announced_at'))), name='credit_rule_is_announced_ahead'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='creditrule',
            trigger=pgtrigger.compiler.Trigger(name='credit_rule_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='ded6e170107fa4df1229e3c4f04d11747e3fe910', operation='UPDATE OR DELETE', pgid='pgtrigger_credit_rule_is_append_only_6ca30', table='billing_creditrule', when='BEFORE')),
        ),
        migrations.AddField(
            model_name='dispute',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='dispute',
            name='payment',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='billing.payment'),
        ),
        migrations.AddField(
            model_name='dispute',
            name='card_invoice',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.cardinvoice'),
        ),
        migrations.AddField(
            model_name='fraudwarning',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='fraudwarning',
            name='payment',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='billing.payment'),
        ),
        migrations.AddField(
            model_name='fraudwarning',
            name='card_invoice',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.cardinvoice'),
        ),
        migrations.AddField(
            model_name='rulecredit',
            name='lease',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rule_credits', to='leasing.lease'),
        ),
        migrations.AddField(
            model_name='rulecredit',
            name='outage',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leasing.outage'),
        ),
        migrations.AddField(
            model_name='rulecredit',
            name='posting',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='rule_credit', to='billing.posting'),
        ),
        migrations.AddField(
            model_name='rulecredit',
            name='rule',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credits', to='billing.creditrule'),
        ),
        migrations.AddField(
            model_name='rulecredit',
            name='transition',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leasing.transition'),
        ),
        migrations.AddField(
            model_name='taxprofile',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tax_profiles', to='accounts.organization'),
        ),
        migrations.AddIndex(
            model_name='adjustment',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['expires_at'], name='adjustment_waiting'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'posted', 'refused', 'expired'])), name='adjustment_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(('amount_micros', 0), _negated=True), name='adjustment_moves_money'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reason', ''), _negated=True), models.Q(('words', ''), _negated=True)), name='adjustment_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('posting__isnull', False), ('state', 'posted')), models.Q(models.Q(('state', 'posted'), _negated=True), ('posting', None)), _connector='OR'), name='adjustment_posts_when_decided'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(('needs_second', False), models.Q(('state', 'posted'), _negated=True), models.Q(('decided_by__isnull', False), models.Q(('decided_by', models.F('asked_by')), _negated=True)), _connector='OR'), name='adjustment_has_two_people_above_the_limit'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('needs_second', True), ('state', 'waiting')), models.Q(models.Q(('state', 'waiting'), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='adjustment_is_decided_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='adjustment',
            trigger=pgtrigger.compiler.Trigger(name='adjustment_ends_once', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{waiting:posted,waiting:refused,waiting:expired}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='294e3b9b9200d937527cee89529338e1726b66e5', operation='UPDATE', pgid='pgtrigger_adjustment_ends_once_e33e4', table='billing_adjustment', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='adjustment',
            trigger=pgtrigger.compiler.Trigger(name='adjustment_is_kept', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='1d6be2261629e280e7ba74e6ddfa0e03a9ca1221', operation='DELETE', pgid='pgtrigger_adjustment_is_kept_20593', table='billing_adjustment', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='adjustment',
            trigger=pgtrigger.compiler.Trigger(name='adjustment_stays_as_asked', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."amount_micros" IS DISTINCT FROM (NEW."amount_micros") OR OLD."asked_at" IS DISTINCT FROM (NEW."asked_at") OR OLD."asked_by_id" IS DISTINCT FROM (NEW."asked_by_id") OR OLD."invoice_line_id" IS DISTINCT FROM (NEW."invoice_line_id") OR OLD."lease_id" IS DISTINCT FROM (NEW."lease_id") OR OLD."needs_second" IS DISTINCT FROM (NEW."needs_second") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."words" IS DISTINCT FROM (NEW."words"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='369a88b6ccf484ba3787fb995956e775aa47ac19', operation='UPDATE', pgid='pgtrigger_adjustment_stays_as_asked_66e8c', table='billing_adjustment', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['warning_needs_response', 'warning_under_review', 'prevented', 'warning_closed', 'needs_response', 'under_review', 'won', 'lost'])), name='dispute_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('amount_cents__gt', 0)), name='dispute_is_about_money'),
        ),
        migrations.AddConstraint(
            model_name='rulecredit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('outage', None), ('transition__isnull', False)), models.Q(('outage__isnull', False), ('transition', None)), _connector='OR'), name='rule_credit_is_for_one_fact'),
        ),
        migrations.AddConstraint(
            model_name='rulecredit',
            constraint=models.CheckConstraint(condition=models.Q(('micros', 0), _negated=True), name='rule_credit_moves_money'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='rulecredit',
            trigger=pgtrigger.compiler.Trigger(name='rule_credit_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='d19bb4c10f79ae6204de4e6752ccd2eaebc30a78', operation='UPDATE OR DELETE', pgid='pgtrigger_rule_credit_is_append_only_8e54c', table='billing_rulecredit', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='taxprofile',
            index=models.Index(condition=models.Q(('tax_id_state', 'pending')), fields=['id'], name='tax_profile_pending'),
        ),
        migrations.AddConstraint(
            model_name='taxprofile',
            constraint=models.UniqueConstraint(fields=('organization', 'version'), name='tax_profile_version_once'),
        ),
        migrations.AddConstraint(
            model_name='taxprofile',
            constraint=models.CheckConstraint(condition=models.Q(('country__regex', '^[A-Z]{2}$')), name='tax_profile_has_a_country'),
        ),
        migrations.AddConstraint(
            model_name='taxprofile',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('tax_id', ''), ('tax_id_kind', ''), ('tax_id_state', 'none')), models.Q(models.Q(('tax_id', ''), _negated=True), models.Q(('tax_id_kind', ''), _negated=True), models.Q(('tax_id_state', 'none'), _negated=True)), _connector='OR'), name='tax_profile_has_a_whole_tax_id_or_none'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='taxprofile',
            trigger=pgtrigger.compiler.Trigger(name='tax_profile_is_kept', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='c3b3ae08c84425d0c664daa2c9a625c9c434d18d', operation='DELETE', pgid='pgtrigger_tax_profile_is_kept_5bdab', table='billing_taxprofile', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='taxprofile',
            trigger=pgtrigger.compiler.Trigger(name='tax_profile_stays_as_declared', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."city" IS DISTINCT FROM (NEW."city") OR OLD."country" IS DISTINCT FROM (NEW."country") OR OLD."declared_at" IS DISTINCT FROM (NEW."declared_at") OR OLD."declared_by" IS DISTINCT FROM (NEW."declared_by") OR OLD."legal_name" IS DISTINCT FROM (NEW."legal_name") OR OLD."line1" IS DISTINCT FROM (NEW."line1") OR OLD."line2" IS DISTINCT FROM (NEW."line2") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."postal_code" IS DISTINCT FROM (NEW."postal_code") OR OLD."region" IS DISTINCT FROM (NEW."region") OR OLD."tax_id" IS DISTINCT FROM (NEW."tax_id") OR OLD."tax_id_kind" IS DISTINCT FROM (NEW."tax_id_kind") OR OLD."version" IS DISTINCT FROM (NEW."version"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='4e70c6358a1346c1bb289c07c460f9394f9a07e3', operation='UPDATE', pgid='pgtrigger_tax_profile_stays_as_declared_1f9e8', table='billing_taxprofile', when='BEFORE')),
        ),
        migrations.AlterField(
            model_name='gatewaycall',
            name='kind',
            field=models.CharField(choices=[('customer', 'make the customer known'), ('checkout', 'open a page to pay at'), ('refund', 'send money back to a card'), ('card_page', 'open a page to save a card at'), ('card_release', 'let a saved card go'), ('charge', 'charge a saved card'), ('confirm', "lead a card's owner to the bank"), ('call_off', 'call off a charge'), ('tax_id', 'have a tax id checked'), ('billed_card', 'charge months to a card'), ('meter', 'make the meter'), ('metered_price', 'make the price of what is metered'), ('subscription', 'bill by the month'), ('subscription_end', 'end or go on billing by the month'), ('meter_event', 'count what was charged'), ('invoice_item', 'put on the next invoice')], max_length=24),
        ),
        migrations.RemoveIndex(
            model_name='posting',
            name='posting_of_hand_backs',
        ),
        migrations.AlterField(
            model_name='billingaccount',
            name='buyer',
            field=models.TextField(blank=True, help_text='Name and address on invoices, line by line; empty: those of the tax profile.', max_length=400),
        ),
        migrations.AddIndex(
            model_name='posting',
            index=models.Index(condition=models.Q(('kind__in', ['early_return', 'cancellation', 'resale_credit', 'promise_credit', 'adjustment'])), fields=['at'], name='posting_besides_use'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('card_invoice__isnull', False), ('payment', None)), models.Q(('card_invoice', None), ('payment__isnull', False)), _connector='OR'), name='dispute_is_of_one_charge'),
        ),
        migrations.AddConstraint(
            model_name='fraudwarning',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('card_invoice__isnull', False), ('payment', None)), models.Q(('card_invoice', None), ('payment__isnull', False)), _connector='OR'), name='fraudwarning_is_of_one_charge'),
        ),
    ]
