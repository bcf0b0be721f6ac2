import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


FUNCTIONS = """
-- What a posting says, as one text for each; new facts go behind these, under another first number.
CREATE FUNCTION billing_posting_facts(ids bigint[])
RETURNS TABLE (posting_id bigint, organization_id bigint, facts text) LANGUAGE sql STABLE AS $$
    SELECT posting.id, posting.organization_id, jsonb_build_array(
               1, posting.public_id, posting.organization_id, posting.kind, posting.key,
               to_char(posting.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               posting.lease_id, posting.payment_id, posting.memo,
               (SELECT jsonb_agg(jsonb_build_array(account.kind, entry.amount_micros, entry.balance_micros)
                                 ORDER BY account.kind)
                  FROM billing_entry AS entry JOIN billing_ledgeraccount AS account ON account.id = entry.account_id
                 WHERE entry.posting_id = posting.id))::text
      FROM billing_posting AS posting WHERE posting.id = ANY (ids)
$$;

CREATE FUNCTION billing_link_hash(number bigint, previous bytea, facts text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(number || ' ' || encode(previous, 'hex') || ' ' || facts, 'UTF8'))
$$;

-- Give postings their links, each organization's in the order of their ids. Its wallet is locked by whoever posts.
CREATE FUNCTION billing_chain(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    fact record;
    owner bigint;
    last bigint;
    head bytea;
BEGIN
    IF EXISTS (SELECT FROM billing_link WHERE posting_id = ANY (ids)) THEN
        RAISE EXCEPTION 'a posting is complete: all of its entries are inserted by one statement'
              USING ERRCODE = 'check_violation';
    END IF;
    FOR fact IN SELECT * FROM billing_posting_facts(ids) AS facts ORDER BY facts.organization_id, facts.posting_id LOOP
        IF owner IS DISTINCT FROM fact.organization_id THEN
            owner := fact.organization_id;
            SELECT link.number, link.hash INTO last, head
              FROM billing_link AS link WHERE link.organization_id = owner ORDER BY link.number DESC LIMIT 1;
            last := coalesce(last, 0);
            head := coalesce(head, decode(repeat('00', 32), 'hex'));
        END IF;
        INSERT INTO billing_link (posting_id, organization_id, number, previous_hash, hash)
        VALUES (fact.posting_id, owner, last + 1, head, billing_link_hash(last + 1, head, fact.facts))
        RETURNING number, hash INTO last, head;
    END LOOP;
END
$$;
"""
REMOVE = """
DROP FUNCTION billing_chain(bigint[]);
DROP FUNCTION billing_link_hash(bigint, bytea, text);
DROP FUNCTION billing_posting_facts(bigint[]);
"""
# What was posted before gets its links, in the order in which it was.
CHAIN = """
SELECT billing_chain(array_agg(id)) FROM billing_posting;
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_terms'),
        ('billing', '0010_money'),
        ('leasing', '0012_nodes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Difference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day, UTC.')),
                ('owed_micros', models.BigIntegerField(help_text='By transitions, outages and prices.')),
                ('posted_micros', models.BigIntegerField(help_text='By usage and its corrections.')),
                ('found_at', models.DateTimeField()),
                ('gone_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-found_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Link',
            fields=[
                ('posting', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='link', serialize=False, to='billing.posting')),
                ('number', models.BigIntegerField()),
                ('previous_hash', models.BinaryField(max_length=32)),
                ('hash', models.BinaryField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name='Recount',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='recount', serialize=False, to='accounts.organization')),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='usage',
            name='usage_once',
        ),
        migrations.AddField(
            model_name='usage',
            name='corrects',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='corrections', to='billing.usage'),
        ),
        migrations.AddField(
            model_name='usage',
            name='kind',
            field=models.CharField(choices=[('use', 'use'), ('correction', 'correction')], default='use', max_length=10),
        ),
        migrations.RunSQL(FUNCTIONS, REMOVE),
        pgtrigger.migrations.AddTrigger(
            model_name='entry',
            trigger=pgtrigger.compiler.Trigger(name='entries_link_their_posting', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n    PERFORM billing_chain(ARRAY(SELECT DISTINCT posting_id FROM written));\n    RETURN NULL;\n', hash='8adc1a18bd75fae2618b65d60e1a830a6e15eabc', level='STATEMENT', operation='INSERT', pgid='pgtrigger_entries_link_their_posting_4d520', referencing='REFERENCING NEW TABLE AS written ', table='billing_entry', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='posting',
            trigger=pgtrigger.compiler.Trigger(name='usage_is_posted_into_an_open_month', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (NEW.kind IN ('usage', 'usage_correction'))", func="\n    IF EXISTS (SELECT FROM billing_invoice\n                WHERE organization_id = NEW.organization_id\n                  AND period_start = date_trunc('month', NEW.at AT TIME ZONE 'UTC')::date) THEN\n        RAISE EXCEPTION 'posting % would be dated %, in a month that is invoiced', NEW.key, NEW.at\n              USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n", hash='228ceb58460b68f1f597881aa6209933a83fbc45', operation='INSERT', pgid='pgtrigger_usage_is_posted_into_an_open_month_2888a', table='billing_posting', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usage',
            trigger=pgtrigger.compiler.Trigger(name='usage_is_of_an_open_month', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF EXISTS (SELECT FROM billing_invoice AS invoice\n                 JOIN leasing_lease AS lease ON lease.organization_id = invoice.organization_id\n                WHERE lease.id = NEW.lease_id\n                  AND invoice.period_start = date_trunc('month', NEW.from_at AT TIME ZONE 'UTC')::date) THEN\n        RAISE EXCEPTION 'usage of lease % would be dated %, in a month that is invoiced', NEW.lease_id, NEW.from_at\n              USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n", hash='48cef1314a6a236c1680098519ede8071034e27b', operation='INSERT', pgid='pgtrigger_usage_is_of_an_open_month_def3a', table='billing_usage', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'use')), fields=('lease', 'from_at'), name='usage_once'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'correction')), fields=('corrects', 'from_at'), name='correction_once'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('corrects', None), ('kind', 'use')), models.Q(('corrects__isnull', False), ('kind', 'correction'), ('until_at', models.F('from_at'))), _connector='OR'), name='usage_correction_points_at_use'),
        ),
        migrations.AddField(
            model_name='difference',
            name='lease',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leasing.lease'),
        ),
        migrations.AddField(
            model_name='link',
            name='organization',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization'),
        ),
        migrations.AddIndex(
            model_name='recount',
            index=models.Index(fields=['at'], name='recount_oldest'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.UniqueConstraint(condition=models.Q(('gone_at', None)), fields=('lease', 'month'), name='difference_open_once'),
        ),
        migrations.AddConstraint(
            model_name='link',
            constraint=models.UniqueConstraint(fields=('organization', 'number'), name='link_number_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='link',
            trigger=pgtrigger.compiler.Trigger(name='link_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='78704f1c55de9121230e651232fb363345eadea3', operation='UPDATE OR DELETE', pgid='pgtrigger_link_is_append_only_9d449', table='billing_link', when='BEFORE')),
        ),
        migrations.RunSQL(CHAIN, migrations.RunSQL.noop),
    ]
