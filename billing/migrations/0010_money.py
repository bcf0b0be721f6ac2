
import accounts.ids
import django.core.serializers.json
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_terms'),
        ('billing', '0009_handback'),
    ]

    operations = [
        migrations.CreateModel(
            name='BillingAccount',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='billing_account', serialize=False, to='accounts.organization')),
                ('mode', models.CharField(choices=[('prepaid', 'from the wallet, topped up before'), ('metered', 'by card, at the end of each month'), ('invoiced', 'by transfer, 30 days after our invoice')], default='prepaid', max_length=10)),
                ('credit_micros', models.BigIntegerField(default=0, help_text='Micro-dollars that it may owe at most.')),
                ('customer_reference', models.CharField(blank=True, help_text="The card processor's customer.", max_length=255, null=True, unique=True)),
                ('suspended_at', models.DateTimeField(blank=True, help_text='Since when it may not order or extend.', null=True)),
                ('suspended_reason', models.CharField(blank=True, help_text='For staff; shown to nobody else.', max_length=200)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('mode__in', ['prepaid', 'metered', 'invoiced'])), name='billing_mode_is_known'), models.CheckConstraint(condition=models.Q(models.Q(('credit_micros', 0), ('mode', 'prepaid')), models.Q(('credit_micros__gte', 0), models.Q(('mode', 'prepaid'), _negated=True)), _connector='OR'), name='billing_credit_is_for_who_pays_later'), models.CheckConstraint(condition=models.Q(models.Q(('suspended_at', None), ('suspended_reason', '')), models.Q(('suspended_at__isnull', False), models.Q(('suspended_reason', ''), _negated=True)), _connector='OR'), name='billing_suspension_has_a_reason')],
            },
        ),
        migrations.CreateModel(
            name='GatewayCall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='gc')),
                ('kind', models.CharField(choices=[('customer', 'make the customer known')], max_length=24)),
                ('subject', models.CharField(help_text='What it is about, such as our public id; one call for each.', max_length=120)),
                ('path', models.CharField(max_length=200)),
                ('body', models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('state', models.CharField(choices=[('pending', 'to be sent'), ('uncertain', 'may have happened'), ('done', 'done'), ('failed', 'refused')], default='pending', max_length=10)),
                ('in_flight_until', models.DateTimeField(blank=True, help_text='A worker has it; taken for dead then.', null=True)),
                ('created_at', models.DateTimeField()),
                ('first_sent_at', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('next_attempt_at', models.DateTimeField()),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('reference', models.CharField(blank=True, help_text="The processor's object.", max_length=255)),
                ('answer', models.JSONField(blank=True, encoder=django.core.serializers.json.DjangoJSONEncoder, help_text='The object, as answered.', null=True)),
                ('error_code', models.CharField(blank=True, max_length=80)),
                ('error', models.CharField(blank=True, max_length=300)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='gateway_calls', to='accounts.organization')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state__in', ['pending', 'uncertain'])), fields=['next_attempt_at'], name='gateway_call_open'), models.Index(condition=models.Q(('state__in', ['pending', 'uncertain'])), fields=['organization', 'id'], name='gateway_call_in_line')],
                'constraints': [models.UniqueConstraint(fields=('kind', 'subject'), name='gateway_call_once'), models.UniqueConstraint(condition=models.Q(('in_flight_until__isnull', False)), fields=('organization',), name='gateway_call_one_in_flight'), models.CheckConstraint(condition=models.Q(models.Q(('settled_at', None), ('state__in', ['pending', 'uncertain'])), models.Q(('in_flight_until', None), ('settled_at__isnull', False), ('state__in', ['done', 'failed'])), _connector='OR'), name='gateway_call_settles_once')],
            },
        ),
    ]
