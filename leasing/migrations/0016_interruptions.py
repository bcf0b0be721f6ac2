"""Interruptions of surplus leases; the database refuses one without its notice, or beyond the budget of the terms."""

import accounts.ids
import django.db.models.deletion
import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('leasing', '0015_speed'),
        ('marketplace', '0007_surplus'),
    ]

    operations = [
        migrations.CreateModel(
            name='Interruption',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=20)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('state_since', models.DateTimeField()),
                ('deadline', models.DateTimeField(blank=True, help_text='When this state ends by itself, in its failed twin.', null=True)),
                ('reason', models.CharField(blank=True, help_text='Code of why it is in this state.', max_length=60)),
                ('public_id', accounts.ids.PublicIdField(prefix='in')),
                ('cause', models.CharField(choices=[('short', 'the site has less power than it needs'), ('grid', 'the grid has asked the site to draw less'), ('price', 'power is too dear for a while')], max_length=12)),
                ('requested_by', models.CharField(help_text='Such as user:us_… or system:energy.', max_length=60)),
                ('noticed_at', models.DateTimeField()),
                ('notice_seconds', models.PositiveIntegerField(help_text="As the lease's terms promise.")),
                ('begins_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField(help_text='When it is over at the latest.')),
                ('more_seconds', models.PositiveIntegerField(default=0, help_text='By how much the tenant had it begin later; once.')),
                ('ready_at', models.DateTimeField(blank=True, help_text='When the tenant said to be ready for it.', null=True)),
                ('power_back_at', models.DateTimeField(blank=True, help_text='Since when there is power again.', null=True)),
                ('paused_at', models.DateTimeField(blank=True, help_text='Since when the lease does not run.', null=True)),
                ('over_at', models.DateTimeField(blank=True, help_text='Since when it is over.', null=True)),
                ('short_seconds', models.PositiveIntegerField(default=0, help_text='By how much it had less than the promised notice; credited for each node by rule.')),
            ],
            options={
                'ordering': ['lease', '-noticed_at'],
            },
        ),
        migrations.CreateModel(
            name='InterruptionTransition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.PositiveIntegerField(help_text="The row's version after the move.")),
                ('old', models.CharField(blank=True, max_length=20)),
                ('new', models.CharField(max_length=20)),
                ('at', models.DateTimeField()),
                ('reason', models.CharField(blank=True, max_length=60)),
                ('actor', models.CharField(max_length=60)),
            ],
            options={
                'ordering': ['interruption', 'seq'],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='transition',
            trigger=pgtrigger.compiler.Trigger(name='after_its_notice', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."new" = \'paused\' AND NEW."reason" = \'power\')', func="\n    IF NOT EXISTS (SELECT FROM leasing_interruption\n                    WHERE lease_id = NEW.lease_id AND state = 'pausing'\n                      AND NEW.at >= least(begins_at, ready_at)) THEN\n        RAISE EXCEPTION 'lease % would be paused for power before its notice', NEW.lease_id\n              USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n", hash='bf76b302c626d2596c0acd828b50a01a14d84866', operation='INSERT', pgid='pgtrigger_after_its_notice_735bf', table='leasing_transition', when='BEFORE')),
        ),
        migrations.AddField(
            model_name='interruption',
            name='lease',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='interruptions', to='leasing.lease'),
        ),
        migrations.AddField(
            model_name='interruptiontransition',
            name='interruption',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transitions', to='leasing.interruption'),
        ),
        migrations.AddIndex(
            model_name='interruption',
            index=models.Index(condition=models.Q(('state__in', ['paused', 'pausing', 'resuming', 'scheduled'])), fields=['deadline'], name='interruption_due'),
        ),
        migrations.AddConstraint(
            model_name='interruption',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['scheduled', 'pausing', 'paused', 'resuming', 'resumed', 'called_off', 'failed'])), name='interruption_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='interruption',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['paused', 'pausing', 'resuming', 'scheduled'])), fields=('lease',), name='interruption_one_open'),
        ),
        migrations.AddConstraint(
            model_name='interruption',
            constraint=models.CheckConstraint(condition=models.Q(('begins_at__gte', django.db.models.expressions.CombinedExpression(models.F('noticed_at'), '+', models.Func(models.F('notice_seconds'), output_field=models.DurationField(), template='make_interval(secs => %(expressions)s)')))), name='interruption_is_noticed_ahead'),
        ),
        migrations.AddConstraint(
            model_name='interruption',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('begins_at'))), name='interruption_runs_forward'),
        ),
        migrations.AddConstraint(
            model_name='interruption',
            constraint=models.CheckConstraint(condition=models.Q(('paused_at', None), ('paused_at__gte', models.F('begins_at')), ('ready_at__lte', models.F('paused_at')), _connector='OR'), name='interruption_begins_when_it_was_said'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='interruption',
            trigger=pgtrigger.compiler.Trigger(name='within_budget', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE allowed record; spent record;', func="\n    PERFORM FROM leasing_lease WHERE id = NEW.lease_id FOR NO KEY UPDATE;\n    SELECT terms.notice_seconds, terms.interruptions_per_30_days AS most, plan.kind,\n           terms.interruption_seconds_per_30_days AS most_seconds INTO allowed\n      FROM leasing_lease AS lease JOIN marketplace_terms AS terms ON terms.id = lease.terms_id\n      JOIN marketplace_plan AS plan ON plan.id = terms.plan_id\n     WHERE lease.id = NEW.lease_id;\n    IF allowed.kind <> 'surplus' OR allowed.notice_seconds = 0\n       OR NEW.notice_seconds < allowed.notice_seconds THEN\n        RAISE EXCEPTION 'this lease is never interrupted, or only after % s', allowed.notice_seconds\n              USING ERRCODE = 'check_violation';\n    END IF;\n    SELECT count(*) AS times,\n           coalesce(sum(extract(epoch FROM coalesce(over_at, ends_at) - coalesce(paused_at, begins_at))), 0) AS seconds\n      INTO spent FROM leasing_interruption\n     WHERE lease_id = NEW.lease_id AND coalesce(over_at, ends_at) > NEW.ends_at - interval '30 days'\n       AND (paused_at IS NOT NULL OR state IN ('scheduled', 'pausing'));\n    IF spent.times + 1 > allowed.most\n       OR spent.seconds + extract(epoch FROM NEW.ends_at - NEW.begins_at) > allowed.most_seconds THEN\n        RAISE EXCEPTION 'the interruption budget of 30 days is spent' USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n", hash='f0ca192e063a66557f213a22c34b0df65691d418', operation='INSERT', pgid='pgtrigger_within_budget_65383', table='leasing_interruption', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='interruption',
            trigger=pgtrigger.compiler.Trigger(name='never_worse', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."ends_at" > (OLD."ends_at") OR NEW."begins_at" < (OLD."begins_at") OR NEW."noticed_at" IS DISTINCT FROM (OLD."noticed_at") OR NEW."notice_seconds" IS DISTINCT FROM (OLD."notice_seconds"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='a302219740b536d3e8c21ef37794cbe2ec971ca2', operation='UPDATE', pgid='pgtrigger_never_worse_c3165', table='leasing_interruption', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='interruption',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='54d1a604f1b06f1ae0e87cb25c5af27bac21e3c9', operation='DELETE', pgid='pgtrigger_no_delete_d9150', table='leasing_interruption', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='interruptiontransition',
            constraint=models.UniqueConstraint(fields=('interruption', 'seq'), name='interruption_transition_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='interruptiontransition',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='a2b4e372901d9e85544db41259dbc199718ed14b', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_edbb9', table='leasing_interruptiontransition', when='BEFORE')),
        ),
    ]
