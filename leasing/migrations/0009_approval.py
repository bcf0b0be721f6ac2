
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('leasing', '0008_changes'),
        ('marketplace', '0003_terms'),
    ]

    operations = [
        migrations.CreateModel(
            name='TermsTold',
            fields=[
                ('terms', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='told', serialize=False, to='marketplace.terms')),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('asked_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('approved', models.BooleanField(blank=True, null=True)),
                ('decided_by', models.CharField(blank=True, max_length=60)),
                ('note', models.CharField(blank=True, help_text='The customer reads it.', max_length=200)),
                ('lease', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='approval', to='leasing.lease')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('approved', None), ('decided_at', None), ('decided_by', '')), models.Q(('approved__isnull', False), ('decided_at__isnull', False), models.Q(('decided_by', ''), _negated=True)), _connector='OR'), name='approval_is_decided_or_not')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='approval',
            trigger=pgtrigger.compiler.Trigger(name='decided_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."decided_at" IS NOT NULL)', func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='b5b97300a1a09bb82c29fd47d40668f0d0f461df', operation='UPDATE OR DELETE', pgid='pgtrigger_decided_once_ecaba', table='leasing_approval', when='BEFORE')),
        ),
    ]
