"""Power of sites, the figures that come from outside, and the ledger of energy."""

import accounts.ids
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import energy.models.site
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('leasing', '0015_power'),
        ('marketplace', '0008_power'),
    ]

    operations = [
        migrations.CreateModel(
            name='Feed',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', accounts.ids.PublicIdField(prefix='fd')),
                ('slug', models.SlugField(max_length=60, unique=True)),
                ('name', models.CharField(max_length=100)),
                ('kind', models.CharField(choices=[('price', 'energy price, micro-dollars per MWh'), ('hash_price', 'hash price, micro-dollars per PH/s and day'), ('carbon', 'carbon of the grid, milligrams of CO2e per kWh'), ('renewable', 'renewable share of the grid, thousandths'), ('grid', 'drawn from the grid, watts'), ('grid_available', 'could be drawn from the grid, watts'), ('solar', 'solar power, watts'), ('wind', 'wind power, watts'), ('charging', 'into the battery, watts'), ('discharging', 'out of the battery, watts'), ('exported', 'sold to the grid, watts'), ('mining', 'drawn by miners, watts')], max_length=16)),
                ('forecast', models.BooleanField(default=False, help_text='What is expected, not what was: shown apart.')),
                ('step_seconds', models.PositiveIntegerField(default=3600, help_text='How long a value holds where its end is not told.', validators=[django.core.validators.MinValueValidator(1)])),
                ('age_limit_seconds', models.PositiveIntegerField(default=7200, help_text='The last value is stale when its time has been over for longer.')),
                ('source', models.CharField(choices=[('manual', 'typed in or loaded from a file by staff'), ('http', 'asked for over HTTP')], default='manual', max_length=8)),
                ('url', models.URLField(blank=True, help_text='For HTTP: https, or http within the house.', max_length=500)),
                ('form', models.CharField(choices=[('json', 'JSON'), ('csv', 'CSV with a line of column names')], default='json', help_text='What the address answers with.', max_length=4)),
                ('mapping', models.JSONField(blank=True, default=dict, help_text='Where things are in the answer, such as {"rows": "data.prices", "at": "time", "value": "lmp", "scale": "1000000"}: `until` is optional, `scale` makes a value whole units.')),
                ('private_addresses', models.BooleanField(default=False, help_text="Whether its address may lead into the operator's own network, such as to a meter.")),
                ('every_seconds', models.PositiveIntegerField(default=300, help_text='How often it is asked for.', validators=[django.core.validators.MinValueValidator(10), django.core.validators.MaxValueValidator(86400)])),
                ('next_at', models.DateTimeField(blank=True, editable=False, help_text='When it is asked for next.', null=True)),
                ('tried_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('failures', models.PositiveIntegerField(default=0, editable=False, help_text='In a row.')),
                ('error', models.CharField(blank=True, editable=False, help_text='Why the last try failed.', max_length=300)),
                ('grid_zone', models.ForeignKey(blank=True, help_text='For carbon, mostly.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='feeds', to='marketplace.gridzone')),
                ('site', models.ForeignKey(blank=True, help_text='Empty: of no one site.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='feeds', to='marketplace.site')),
            ],
            options={
                'ordering': ['slug'],
            },
        ),
        migrations.CreateModel(
            name='Generation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField(help_text='UTC. It holds until a later row begins.')),
                ('written_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('note', models.CharField(help_text='Where the figures are from; say here if it is an example.', max_length=200)),
                ('kind', models.CharField(choices=[('solar', 'solar'), ('wind', 'wind')], max_length=8)),
                ('rated_watts', models.PositiveBigIntegerField()),
                ('usual_permille', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(validators=[django.core.validators.MaxValueValidator(1000)]), help_text="What it makes in each hour of the site's day on average, thousandths of what it is rated at.", size=24)),
                ('least_permille', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(validators=[django.core.validators.MaxValueValidator(1000)]), default=energy.models.site.flat, help_text='What it makes at least in the best 99 % of the days: all that is firm of it.', size=24)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='marketplace.site')),
            ],
            options={
                'ordering': ['site', '-starts_at'],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='LeaseHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('node_wh', models.BigIntegerField(help_text='By the nodes themselves.')),
                ('energy_wh', models.BigIntegerField(help_text="At the site's meter.")),
                ('renewable_wh', models.BigIntegerField(help_text='Of those.')),
                ('location_ug', models.BigIntegerField(help_text="Micrograms of CO2-equivalent, by the grid's mix.")),
                ('market_ug', models.BigIntegerField(help_text="The same by the site's contracts for green power: instead, not too.")),
                ('quality', models.CharField(choices=[('measured', 'measured'), ('estimated', 'estimated'), ('missing', 'missing')], max_length=10)),
                ('lease', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='energy_hours', to='leasing.lease')),
            ],
            options={
                'ordering': ['lease', 'starts_at'],
            },
        ),
        migrations.CreateModel(
            name='PowerContract',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField(help_text='UTC. It holds until a later row begins.')),
                ('written_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('note', models.CharField(help_text='Where the figures are from; say here if it is an example.', max_length=200)),
                ('interconnect_watts', models.PositiveBigIntegerField(help_text='The most that it may draw from the grid, watts.')),
                ('largest_supply_watts', models.PositiveBigIntegerField(help_text='What is lost with its largest transformer or line, watts: not sold as firm.')),
                ('grid_percent', models.PositiveSmallIntegerField(default=100, help_text='Share of the interconnect that is there at the confidence below; 40 where load is shed to 40 %. Measured availability goes before it.', validators=[django.core.validators.MaxValueValidator(100)])),
                ('confidence_permille', models.PositiveSmallIntegerField(default=999, help_text='How sure firm power is, in thousandths of the hours: 999 is 99.9 %.')),
                ('house_watts', models.PositiveBigIntegerField(help_text='Offices, lights, network: drawn always, watts.')),
                ('gpu_pue_permille', models.PositiveIntegerField(default=1250, help_text='Of GPU halls; 1250 is 1.25.', validators=[django.core.validators.MinValueValidator(1000)])),
                ('mining_pue_permille', models.PositiveIntegerField(default=1040, help_text='Of mining halls; 1040 is 1.04.', validators=[django.core.validators.MinValueValidator(1000)])),
                ('controllable', models.BooleanField(default=True, help_text='Whether the operator may switch the miners there.')),
                ('market_mg_per_kwh', models.PositiveIntegerField(blank=True, help_text='Milligrams of CO2-equivalent for each kWh by contracts for green power (market-based); empty: none.', null=True)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='marketplace.site')),
            ],
            options={
                'ordering': ['site', '-starts_at'],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Block',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('watts', models.PositiveBigIntegerField(help_text='All the time, watts.')),
                ('micros_per_mwh', models.BigIntegerField(help_text='Micro-dollars for each MWh.')),
                ('resale', models.BooleanField(default=False, help_text="What is not used is sold or credited at the tariff's price, less its fee.")),
                ('contract', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='blocks', to='energy.powercontract')),
            ],
        ),
        migrations.CreateModel(
            name='Reading',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('value', models.BigIntegerField(help_text="In the unit of the feed's kind.")),
                ('source', models.CharField(help_text='Who told it, such as http, or user:us_….', max_length=60)),
                ('fetched_at', models.DateTimeField()),
                ('feed', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='readings', to='energy.feed')),
            ],
            options={
                'ordering': ['feed', '-starts_at'],
            },
        ),
        migrations.CreateModel(
            name='SiteHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('grid_wh', models.BigIntegerField()),
                ('generated_wh', models.BigIntegerField(help_text='By its own sun and wind.')),
                ('charged_wh', models.BigIntegerField(default=0)),
                ('discharged_wh', models.BigIntegerField(default=0, help_text='By how much the battery holds less for what it gave.')),
                ('exported_wh', models.BigIntegerField(default=0)),
                ('mining_wh', models.BigIntegerField(default=0, help_text='At the meter.')),
                ('house_wh', models.BigIntegerField(default=0)),
                ('leases_wh', models.BigIntegerField(default=0, help_text='At the meter, cooling included.')),
                ('grid_mg_per_kwh', models.PositiveIntegerField(help_text="Of the hour's grid, by location.")),
                ('grid_renewable_permille', models.PositiveSmallIntegerField()),
                ('metered', models.BooleanField(help_text="The grid's meter told; else it is what was used and not generated.")),
                ('factor', models.CharField(help_text="Where the grid's mix is from.", max_length=100)),
                ('battery_wh', models.BigIntegerField(default=0)),
                ('battery_renewable_wh', models.BigIntegerField(default=0)),
                ('battery_location_ug', models.BigIntegerField(default=0)),
                ('battery_market_ug', models.BigIntegerField(default=0)),
                ('counted_at', models.DateTimeField()),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='marketplace.site')),
            ],
            options={
                'ordering': ['site', '-starts_at'],
            },
        ),
        migrations.CreateModel(
            name='Tariff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField(help_text='UTC. It holds until a later row begins.')),
                ('written_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('note', models.CharField(help_text='Where the figures are from; say here if it is an example.', max_length=200)),
                ('pricing', models.CharField(choices=[('fixed', 'fixed price'), ('day_ahead', 'day-ahead price'), ('real_time', 'real-time price')], max_length=10)),
                ('micros_per_mwh', models.BigIntegerField(help_text="Micro-dollars for each MWh: the price if it is fixed, else what comes on top of the feed's.")),
                ('sale_fee_micros_per_mwh', models.BigIntegerField(blank=True, help_text="Taken off the feed's price for what is sold; empty: nothing can be sold.", null=True)),
                ('demand_micros_per_kw', models.BigIntegerField(default=0, help_text='Charged for the highest draw of a billing period, micro-dollars for each kW.')),
                ('demand_minutes', models.PositiveSmallIntegerField(default=15, help_text='Over how long that draw is averaged.')),
                ('billing_day', models.PositiveSmallIntegerField(default=1, help_text='Day of the month, at the site, on which its billing period begins.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(28)])),
                ('feed', models.ForeignKey(blank=True, help_text='Empty for a fixed price.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='energy.feed')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='marketplace.site')),
            ],
            options={
                'ordering': ['site', '-starts_at'],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Battery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField(help_text='UTC. It holds until a later row begins.')),
                ('written_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('note', models.CharField(help_text='Where the figures are from; say here if it is an example.', max_length=200)),
                ('watts', models.PositiveBigIntegerField(help_text='In and out.')),
                ('watt_hours', models.PositiveBigIntegerField(help_text='What can be used of what it holds.')),
                ('efficiency_permille', models.PositiveSmallIntegerField(default=940, help_text='One way, thousandths: 940 each way is 88 % for there and back.')),
                ('wear_micros_per_mwh', models.BigIntegerField(default=8000000, help_text='What each MWh that comes out costs it, micro-dollars.')),
                ('hold_minutes', models.PositiveSmallIntegerField(default=60, help_text='For so long it must carry what is sold on it as firm: until supply is back or load moved.')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='marketplace.site')),
            ],
            options={
                'verbose_name_plural': 'batteries',
                'ordering': ['site', '-starts_at'],
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('site', 'starts_at'), name='battery_once_per_moment'), models.CheckConstraint(condition=models.Q(('efficiency_permille__gte', 1), ('efficiency_permille__lte', 1000), ('hold_minutes__gte', 1)), name='battery_is_possible')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='battery',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='b336c1af4087283909fc493a74cb8d5e36c573e3', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_8bf63', table='energy_battery', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='feed',
            index=models.Index(condition=models.Q(('source', 'http')), fields=['next_at'], name='feed_due'),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['price', 'hash_price', 'carbon', 'renewable', 'grid', 'grid_available', 'solar', 'wind', 'charging', 'discharging', 'exported', 'mining'])), name='feed_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.CheckConstraint(condition=models.Q(('source', 'manual'), models.Q(('url', ''), _negated=True), _connector='OR'), name='feed_over_http_has_an_address'),
        ),
        migrations.AddConstraint(
            model_name='generation',
            constraint=models.UniqueConstraint(fields=('site', 'kind', 'starts_at'), name='generation_once_per_moment'),
        ),
        migrations.AddConstraint(
            model_name='generation',
            constraint=models.CheckConstraint(condition=models.Q(('least_permille__len', 24), ('usual_permille__len', 24)), name='generation_has_24_hours'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='generation',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='cfe9fb13a9587dc9d460892c99ad079e62f05f7a', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_41ba8', table='energy_generation', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='leasehour',
            constraint=models.UniqueConstraint(fields=('lease', 'starts_at'), name='lease_hour_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='leasehour',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='8d635a8ad27b1d3245c99ec6a9e48db636a29097', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_b6691', table='energy_leasehour', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='powercontract',
            constraint=models.UniqueConstraint(fields=('site', 'starts_at'), name='power_contract_once_per_moment'),
        ),
        migrations.AddConstraint(
            model_name='powercontract',
            constraint=models.CheckConstraint(condition=models.Q(('largest_supply_watts__lte', models.F('interconnect_watts')), ('confidence_permille__gt', 0), ('confidence_permille__lt', 1000), ('grid_percent__lte', 100)), name='power_contract_adds_up'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='powercontract',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='61b4c195f56e1d0f941a41c80c3cb107fc8e5a8e', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_7800a', table='energy_powercontract', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='block',
            constraint=models.CheckConstraint(condition=models.Q(('watts__gt', 0)), name='block_has_power'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='block',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='97306d53b15728149bce81702ff8ae1976a05a73', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_50395', table='energy_block', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='reading',
            constraint=models.UniqueConstraint(fields=('feed', 'starts_at'), name='reading_once'),
        ),
        migrations.AddConstraint(
            model_name='reading',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='reading_takes_some_time'),
        ),
        migrations.AddConstraint(
            model_name='sitehour',
            constraint=models.UniqueConstraint(fields=('site', 'starts_at'), name='site_hour_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='sitehour',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='fcf09be0e8e938efb1214fc84a63ce80c1d9cbe1', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_d6b72', table='energy_sitehour', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='tariff',
            constraint=models.UniqueConstraint(fields=('site', 'starts_at'), name='tariff_once_per_moment'),
        ),
        migrations.AddConstraint(
            model_name='tariff',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('feed', None), ('pricing', 'fixed')), models.Q(models.Q(('pricing', 'fixed'), _negated=True), ('feed__isnull', False)), _connector='OR'), name='tariff_that_moves_has_a_feed'),
        ),
        migrations.AddConstraint(
            model_name='tariff',
            constraint=models.CheckConstraint(condition=models.Q(('billing_day__gte', 1), ('billing_day__lte', 28), ('demand_minutes__in', [15, 30, 60])), name='tariff_periods_exist'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='tariff',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='a6621c4c7f78b4df956fab038585728e268d4a14', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_6b97a', table='energy_tariff', when='BEFORE')),
        ),
    ]
