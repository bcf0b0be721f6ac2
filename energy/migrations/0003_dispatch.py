"""Plans of sites, commands to them, and who may decide."""

import accounts.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('energy', '0002_miners'),
        ('leasing', '0017_power'),
        ('marketplace', '0008_power'),
    ]

    operations = [
        migrations.CreateModel(
            name='Command',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=20)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('state_since', models.DateTimeField()),
                ('deadline', models.DateTimeField(blank=True, help_text='When this state ends by itself, in its failed twin.', null=True)),
                ('reason', models.CharField(blank=True, help_text='Code of why it is in this state.', max_length=60)),
                ('public_id', accounts.ids.PublicIdField(prefix='pc')),
                ('kind', models.CharField(choices=[('miners', 'miners'), ('battery', 'battery'), ('surplus', 'surplus lease')], max_length=8)),
                ('why', models.CharField(max_length=300)),
                ('inputs', models.JSONField(help_text='What it was decided from: the plan, or the grid event.')),
                ('target', models.JSONField(help_text='Watts at the plug by class of miners, of the battery; or of the pause.')),
                ('before', models.JSONField(default=dict)),
                ('touches', models.JSONField(default=list, help_text='Whom and what, in words.')),
                ('watts', models.BigIntegerField(help_text='By how much the site draws less, watts at the meter; below 0: more.')),
                ('cost_micros', models.BigIntegerField(default=0, help_text='What it forgoes or credits, energy not counted.')),
                ('urgent', models.BooleanField(default=False)),
                ('event', models.CharField(blank=True, help_text='Of one grid event.', max_length=40)),
                ('proposed_by', models.CharField(max_length=60)),
                ('due_at', models.DateTimeField(help_text='When it is to be told.')),
                ('ends_at', models.DateTimeField(blank=True, help_text='When the opposite is told; empty: it stays.', null=True)),
                ('outcome', models.JSONField(default=dict, help_text='What came of it, and what was read back.')),
                ('lease', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leasing.lease')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='power_commands', to='marketplace.site')),
                ('undoes', models.OneToOneField(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='undone_by', to='energy.command')),
            ],
            options={
                'ordering': ['-state_since', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='CommandTransition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.PositiveIntegerField(help_text="The row's version after the move.")),
                ('old', models.CharField(blank=True, max_length=20)),
                ('new', models.CharField(max_length=20)),
                ('at', models.DateTimeField()),
                ('reason', models.CharField(blank=True, max_length=60)),
                ('actor', models.CharField(max_length=60)),
                ('command', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transitions', to='energy.command')),
            ],
            options={
                'ordering': ['command', 'seq'],
            },
        ),
        migrations.CreateModel(
            name='PowerPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='pp')),
                ('starts_at', models.DateTimeField(help_text='Valid from.')),
                ('ends_at', models.DateTimeField(help_text='Valid until.')),
                ('made_at', models.DateTimeField()),
                ('basis', models.CharField(choices=[('plan', 'plan'), ('rule', 'rule without a plan')], max_length=8)),
                ('why', models.CharField(blank=True, help_text="Why it is the rule's; empty for a plan.", max_length=300)),
                ('inputs', models.JSONField(help_text='What it was made from, each with its age in seconds.')),
                ('seen', models.JSONField(help_text='Watts at the meter of each use and source when it was made.')),
                ('targets', models.JSONField(help_text='Watts at the meter for each use; miners by class.')),
                ('ahead', models.JSONField(default=list, help_text='The same for each hour of the next 48; empty for a rule.')),
                ('internal_micros_per_mwh', models.BigIntegerField(blank=True, help_text='What one more MWh at the site would cost now; empty for a rule.', null=True)),
                ('budget_watts', models.BigIntegerField(default=0, help_text='The import peak that plans run under.')),
                ('budget_at', models.DateTimeField(blank=True, help_text="When that was planned, to the period's end.", null=True)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='power_plans', to='marketplace.site')),
            ],
            options={
                'ordering': ['site', '-starts_at'],
            },
        ),
        migrations.CreateModel(
            name='SitePolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('automatic', models.BooleanField(default=False, help_text='Off: everything is a proposal for a person. Have counsel look before it is switched on.')),
                ('most_watts_per_step', models.PositiveBigIntegerField(default=0, help_text='The most that one command may change by itself, watts at the plug.')),
                ('least_notice_seconds', models.PositiveIntegerField(default=0, help_text='A command waits for so long, and a person may still call it off.')),
                ('classes', models.ManyToManyField(blank=True, help_text='The only miners that may be told by itself.', related_name='+', to='energy.minerclass')),
                ('site', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='power_policy', to='marketplace.site')),
            ],
            options={
                'verbose_name_plural': 'site policies',
                'ordering': ['site'],
            },
        ),
        migrations.AddIndex(
            model_name='command',
            index=models.Index(condition=models.Q(('state__in', ['approved', 'proposed', 'sent'])), fields=['deadline'], name='command_due'),
        ),
        migrations.AddConstraint(
            model_name='command',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['proposed', 'approved', 'sent', 'done', 'declined', 'expired', 'failed'])), name='command_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='command',
            constraint=models.CheckConstraint(condition=models.Q(('deadline__isnull', False), models.Q(('state__in', ['approved', 'proposed', 'sent']), _negated=True), _connector='OR'), name='command_has_a_deadline'),
        ),
        migrations.AddConstraint(
            model_name='command',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'surplus'), ('lease__isnull', False)), models.Q(models.Q(('kind', 'surplus'), _negated=True), ('lease', None)), _connector='OR'), name='command_pauses_a_lease'),
        ),
        migrations.AddConstraint(
            model_name='command',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'proposed')), fields=('site', 'kind'), name='command_one_proposal'),
        ),
        migrations.AddConstraint(
            model_name='command',
            constraint=models.UniqueConstraint(condition=models.Q(('event', ''), _negated=True), fields=('event', 'kind', 'lease'), name='command_once_an_event', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='commandtransition',
            constraint=models.UniqueConstraint(fields=('command', 'seq'), name='command_transition_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='commandtransition',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='728b3080ddb465914ec54c8b429ad6c05e69a35d', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_f90db', table='energy_commandtransition', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='powerplan',
            constraint=models.UniqueConstraint(fields=('site', 'starts_at'), name='power_plan_once_a_step'),
        ),
        migrations.AddConstraint(
            model_name='powerplan',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='power_plan_takes_some_time'),
        ),
        migrations.AddConstraint(
            model_name='powerplan',
            constraint=models.CheckConstraint(condition=models.Q(('basis__in', ['plan', 'rule'])), name='power_plan_basis_is_known'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='powerplan',
            trigger=pgtrigger.compiler.Trigger(name='not_rewritten', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='5d4513cb4c16f52fdc23d170cc6b2900b9555022', operation='UPDATE', pgid='pgtrigger_not_rewritten_9fc95', table='energy_powerplan', when='BEFORE')),
        ),
    ]
