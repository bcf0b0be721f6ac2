"""A notice counts from the database's own clock: one that was written down late is refused."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('leasing', '0022_search'),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name='interruption',
            trigger=pgtrigger.compiler.Trigger(name='noticed_now', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF NEW.noticed_at < clock_timestamp() - interval '10 seconds'\n       AND current_setting('gridlease.time_is_given', true) IS DISTINCT FROM 'on' THEN\n        RAISE EXCEPTION 'the notice counts from now: it is % too late for one from %',\n              clock_timestamp() - NEW.noticed_at, NEW.noticed_at USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n", hash='223cda4d7ce3890e9d3c164f516384a740989bd5', operation='INSERT', pgid='pgtrigger_noticed_now_e79c1', table='leasing_interruption', when='BEFORE')),
        ),
    ]
