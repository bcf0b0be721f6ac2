"""Saved cards, charges of them, automatic top-up, and promotional credit as lots that may end."""

import accounts.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_terms'),
        ('billing', '0013_plumbing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AutoTopUp',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='auto_top_up', serialize=False, to='accounts.organization')),
                ('active', models.BooleanField(default=False)),
                ('threshold_cents', models.BigIntegerField()),
                ('amount_cents', models.BigIntegerField()),
                ('ceiling_cents', models.BigIntegerField(help_text='In each UTC calendar month, at most.')),
                ('failures', models.PositiveSmallIntegerField(default=0)),
                ('next_attempt_at', models.DateTimeField(blank=True, null=True)),
                ('ceiling_told_for', models.DateField(blank=True, help_text='The month whose ceiling was told of.', null=True)),
                ('off_reason', models.CharField(blank=True, help_text='Why it switched itself off, for people.', max_length=300)),
                ('changed_at', models.DateTimeField()),
                ('changed_by', models.CharField(help_text='Actor, such as user:us_….', max_length=80)),
            ],
        ),
        migrations.CreateModel(
            name='CardPage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='cp')),
                ('state', models.CharField(choices=[('open', 'waiting for the card'), ('saved', 'saved'), ('expired', 'expired')], default='open', max_length=10)),
                ('reference', models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ('url', models.CharField(blank=True, max_length=2000)),
                ('created_at', models.DateTimeField()),
                ('next_check_at', models.DateTimeField(help_text='When to ask the processor, in case its message never comes.')),
                ('checks', models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='CreditGrant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='cg')),
                ('amount_micros', models.BigIntegerField()),
                ('remaining_micros', models.BigIntegerField()),
                ('expires_at', models.DateTimeField(blank=True, help_text='It can be spent before then. Empty: for ever.', null=True)),
                ('lapsed_at', models.DateTimeField(blank=True, help_text='When what was left of it was taken back.', null=True)),
                ('reason', models.CharField(help_text='The customer reads it.', max_length=200)),
                ('given_by', models.CharField(help_text='Actor, such as user:us_….', max_length=80)),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='CreditUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('micros', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='SavedCard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='cd')),
                ('reference', models.CharField(help_text="The processor's payment method.", max_length=255, unique=True)),
                ('brand', models.CharField(max_length=30)),
                ('last4', models.CharField(max_length=4)),
                ('exp_year', models.PositiveSmallIntegerField()),
                ('exp_month', models.PositiveSmallIntegerField()),
                ('is_default', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField()),
                ('next_check_at', models.DateTimeField(help_text="When to look at the processor's object again.")),
                ('expiry_told_at', models.DateTimeField(blank=True, null=True)),
                ('removed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['organization', '-is_default', '-id'],
            },
        ),
        migrations.RemoveIndex(
            model_name='payment',
            name='payment_pending',
        ),
        migrations.AddField(
            model_name='payment',
            name='automatic',
            field=models.BooleanField(default=False, help_text='Nobody asked for it but the wallet.'),
        ),
        migrations.AddField(
            model_name='payment',
            name='bank_url',
            field=models.CharField(blank=True, help_text="Where the card's owner confirms.", max_length=2000),
        ),
        migrations.AddField(
            model_name='payment',
            name='decline_code',
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name='payment',
            name='intent_reference',
            field=models.CharField(blank=True, max_length=255, null=True, unique=True),
        ),
        migrations.AddField(
            model_name='payment',
            name='keep_card',
            field=models.BooleanField(default=False, help_text='The card typed at the checkout is to be saved.'),
        ),
        migrations.AlterField(
            model_name='gatewaycall',
            name='kind',
            field=models.CharField(choices=[('customer', 'make the customer known'), ('checkout', 'open a page to pay at'), ('refund', 'send money back to a card'), ('card_page', 'open a page to save a card at'), ('card_release', 'let a saved card go'), ('charge', 'charge a saved card'), ('confirm', "lead a card's owner to the bank"), ('call_off', 'call off a charge')], max_length=24),
        ),
        migrations.AlterField(
            model_name='payment',
            name='state',
            field=models.CharField(choices=[('pending', 'waiting for payment'), ('action', 'waiting for you to confirm'), ('paid', 'paid'), ('expired', 'expired'), ('failed', 'failed')], default='pending', max_length=10),
        ),
        migrations.AlterField(
            model_name='posting',
            name='kind',
            field=models.CharField(choices=[('top_up', 'top-up'), ('usage', 'usage'), ('usage_correction', 'usage correction'), ('refund', 'refund to card'), ('refund_failed', 'refund that failed'), ('credit', 'promotional credit'), ('credit_lapsed', 'promotional credit that ended'), ('early_return', 'fee for handing back early'), ('cancellation', 'cancellation fee'), ('resale_credit', 'credit for resold time'), ('processor_fee', 'fee of the card processor')], max_length=20),
        ),
        migrations.AlterField(
            model_name='standing',
            name='level',
            field=models.CharField(choices=[('fine', 'fine'), ('low_7d', 'less than 7 days left'), ('low_24h', 'less than 24 hours left'), ('low_1h', 'less than an hour left'), ('empty', 'nothing left')], default='fine', max_length=10),
        ),
        migrations.AddIndex(
            model_name='autotopup',
            index=models.Index(condition=models.Q(('active', True)), fields=['organization'], name='auto_top_up_active'),
        ),
        migrations.AddConstraint(
            model_name='autotopup',
            constraint=models.CheckConstraint(condition=models.Q(('amount_cents__gt', 0), ('ceiling_cents__gte', models.F('amount_cents')), ('threshold_cents__gte', 0)), name='auto_top_up_fits_its_ceiling'),
        ),
        migrations.AddField(
            model_name='cardpage',
            name='created_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='cardpage',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='creditgrant',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_grants', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='creditgrant',
            name='posting',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='credit_grant', to='billing.posting'),
        ),
        migrations.AddField(
            model_name='credituse',
            name='grant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='uses', to='billing.creditgrant'),
        ),
        migrations.AddField(
            model_name='credituse',
            name='posting',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_uses', to='billing.posting'),
        ),
        migrations.AddField(
            model_name='savedcard',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cards', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='cardpage',
            name='card',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.savedcard'),
        ),
        migrations.AddField(
            model_name='payment',
            name='card',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='billing.savedcard'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('state__in', ['pending', 'action'])), fields=['next_check_at'], name='payment_pending'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(condition=models.Q(('automatic', True), ('state__in', ['pending', 'action'])), fields=('organization',), name='payment_one_automatic_under_way'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('card__isnull', False), ('checkout_reference', None), ('keep_card', False)), models.Q(('automatic', False), ('card', None), ('intent_reference', None), models.Q(('state', 'action'), _negated=True)), _connector='OR'), name='payment_by_saved_card_or_at_a_checkout'),
        ),
        migrations.AddIndex(
            model_name='creditgrant',
            index=models.Index(condition=models.Q(('remaining_micros__gt', 0)), fields=['organization', 'expires_at'], name='credit_left'),
        ),
        migrations.AddConstraint(
            model_name='creditgrant',
            constraint=models.CheckConstraint(condition=models.Q(('amount_micros__gt', 0), ('remaining_micros__gte', 0), ('remaining_micros__lte', models.F('amount_micros'))), name='credit_is_spent_once'),
        ),
        migrations.AddConstraint(
            model_name='creditgrant',
            constraint=models.CheckConstraint(condition=models.Q(('lapsed_at', None), models.Q(('expires_at__isnull', False), ('lapsed_at__gte', models.F('expires_at'))), _connector='OR'), name='credit_lapses_after_its_end'),
        ),
        migrations.AddConstraint(
            model_name='credituse',
            constraint=models.UniqueConstraint(fields=('posting', 'grant'), name='credit_use_once'),
        ),
        migrations.AddConstraint(
            model_name='credituse',
            constraint=models.CheckConstraint(condition=models.Q(('micros__gt', 0)), name='credit_use_takes_something'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='credituse',
            trigger=pgtrigger.compiler.Trigger(name='credit_use_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='2097812cc4ad386e3ba57664c91289a50fb6ca7f', operation='UPDATE OR DELETE', pgid='pgtrigger_credit_use_is_append_only_74692', table='billing_credituse', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='savedcard',
            index=models.Index(condition=models.Q(('removed_at', None)), fields=['organization'], name='saved_card_of'),
        ),
        migrations.AddIndex(
            model_name='savedcard',
            index=models.Index(condition=models.Q(('removed_at', None)), fields=['next_check_at'], name='saved_card_to_check'),
        ),
        migrations.AddConstraint(
            model_name='savedcard',
            constraint=models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('organization',), name='saved_card_one_default'),
        ),
        migrations.AddConstraint(
            model_name='savedcard',
            constraint=models.CheckConstraint(condition=models.Q(('removed_at', None), ('is_default', False), _connector='OR'), name='saved_card_removed_is_no_default'),
        ),
        migrations.AddConstraint(
            model_name='savedcard',
            constraint=models.CheckConstraint(condition=models.Q(('exp_month__range', (1, 12))), name='saved_card_expires_in_a_month'),
        ),
        migrations.AddIndex(
            model_name='cardpage',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['next_check_at'], name='card_page_open'),
        ),
        migrations.AddConstraint(
            model_name='cardpage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('card__isnull', False), ('state', 'saved')), models.Q(models.Q(('state', 'saved'), _negated=True), ('card', None)), _connector='OR'), name='card_page_saved_has_a_card'),
        ),
    ]
