"""Nodes that nobody needs lose their power for a while."""

import accounts.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('leasing', '0017_power'),
    ]

    operations = [
        migrations.CreateModel(
            name='Standby',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=20)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('state_since', models.DateTimeField()),
                ('deadline', models.DateTimeField(blank=True, help_text='When this state ends by itself, in its failed twin.', null=True)),
                ('reason', models.CharField(blank=True, help_text='Code of why it is in this state.', max_length=60)),
                ('step', models.CharField(blank=True, help_text='What is being done, in words.', max_length=60)),
                ('detail', models.CharField(blank=True, help_text='What the last attempt said, for staff.', max_length=300)),
                ('work_epoch', models.PositiveIntegerField(default=0)),
                ('work_until', models.DateTimeField(blank=True, help_text='Until when the holder has it for itself.', null=True)),
                ('next_attempt_at', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('public_id', accounts.ids.PublicIdField(prefix='sb')),
                ('requested_by', models.CharField(help_text='Such as system:energy:pc_….', max_length=60)),
                ('ends_at', models.DateTimeField(help_text='When it is switched on again at the latest.')),
                ('maintenance', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='standby', to='leasing.maintenance')),
            ],
            options={
                'verbose_name_plural': 'standbys',
            },
        ),
        migrations.CreateModel(
            name='StandbyTransition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.PositiveIntegerField(help_text="The row's version after the move.")),
                ('old', models.CharField(blank=True, max_length=20)),
                ('new', models.CharField(max_length=20)),
                ('at', models.DateTimeField()),
                ('reason', models.CharField(blank=True, max_length=60)),
                ('actor', models.CharField(max_length=60)),
                ('standby', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transitions', to='leasing.standby')),
            ],
            options={
                'ordering': ['standby', 'seq'],
            },
        ),
        migrations.AddIndex(
            model_name='standby',
            index=models.Index(condition=models.Q(('state__in', ['off', 'planned', 'switching_off', 'switching_on'])), fields=['deadline'], name='standby_due'),
        ),
        migrations.AddIndex(
            model_name='standby',
            index=models.Index(condition=models.Q(('state__in', ['switching_off', 'switching_on'])), fields=['next_attempt_at'], name='standby_work_due'),
        ),
        migrations.AddIndex(
            model_name='standby',
            index=models.Index(fields=['requested_by'], name='standby_requested'),
        ),
        migrations.AddConstraint(
            model_name='standby',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['planned', 'switching_off', 'off', 'switching_on', 'over', 'called_off', 'failed'])), name='standby_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='standby',
            constraint=models.CheckConstraint(condition=models.Q(('deadline__isnull', False), models.Q(('state__in', ['off', 'planned', 'switching_off', 'switching_on']), _negated=True), _connector='OR'), name='standby_has_a_deadline'),
        ),
        migrations.AddConstraint(
            model_name='standbytransition',
            constraint=models.UniqueConstraint(fields=('standby', 'seq'), name='standby_transition_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='standbytransition',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='3532543f578104575444f597e350e6be29f372bd', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_af554', table='leasing_standbytransition', when='BEFORE')),
        ),
    ]
