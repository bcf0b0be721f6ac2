"""A battery is told through its inverter: where that answers, what is wanted of it; its charge is a feed; and limits."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('energy', '0005_carbon'),
        ('marketplace', '0008_power'),
    ]

    operations = [
        migrations.CreateModel(
            name='Inverter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('dialect', models.CharField(choices=[('sunspec', 'SunSpec (models 701 to 713) over Modbus TCP'), ('fake', 'fake (tests)')], default='sunspec', max_length=10)),
                ('address', models.GenericIPAddressField(help_text="In the site's own network (BATTERY_NETWORKS).")),
                ('port', models.PositiveIntegerField(default=502, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(65535)])),
                ('unit', models.PositiveSmallIntegerField(default=1, help_text='Which device behind that address (Modbus unit).', validators=[django.core.validators.MaxValueValidator(255)])),
                ('controlled', models.BooleanField(default=True, help_text='Whether it may be told anything; if not, it is only read, and goes by its own control.')),
                ('wanted_watts', models.BigIntegerField(blank=True, help_text='Empty: its own control.', null=True)),
                ('wanted_since', models.DateTimeField(blank=True, help_text='When that was last said.', null=True)),
                ('wanted_until', models.DateTimeField(blank=True, help_text='Then it is released.', null=True)),
                ('epoch', models.PositiveIntegerField(default=0, help_text='Counts its commands.')),
                ('outcome', models.CharField(blank=True, choices=[('obeyed', 'obeyed'), ('refused', 'refused'), ('unreachable', 'unreachable'), ('lied', 'took the command and did not do it')], help_text='Empty: never read.', max_length=12)),
                ('most_given', models.PositiveBigIntegerField(blank=True, help_text='What it says that it can, watts.', null=True)),
                ('most_taken', models.PositiveBigIntegerField(blank=True, help_text='The same of charging, watts.', null=True)),
                ('read_at', models.DateTimeField(blank=True, help_text='When it last answered.', null=True)),
                ('detail', models.CharField(blank=True, help_text='Why it is not as wanted, for staff.', max_length=300)),
            ],
            options={
                'verbose_name': 'battery driver',
                'ordering': ['site'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='feed',
            name='feed_kind_is_known',
        ),
        migrations.AddField(
            model_name='battery',
            name='reserve_percent',
            field=models.PositiveSmallIntegerField(default=10, help_text='Of what it can hold: this much is never told to come out, by plans, grid events or people.', validators=[django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='sitepolicy',
            name='battery_reserve_percent',
            field=models.PositiveSmallIntegerField(default=30, help_text='What it does by itself leaves so much in the battery, of what that can hold.', validators=[django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='sitepolicy',
            name='most_battery_watts',
            field=models.PositiveBigIntegerField(default=0, help_text='The most that its battery may be told by itself to give or to take, watts; 0: nothing.'),
        ),
        migrations.AlterField(
            model_name='command',
            name='target',
            field=models.JSONField(help_text='Watts at the plug by class of miners, of the battery (below 0: charged); the nodes; or of the pause.'),
        ),
        migrations.AlterField(
            model_name='feed',
            name='kind',
            field=models.CharField(choices=[('price', 'energy price, micro-dollars per MWh'), ('hash_price', 'hash price, micro-dollars per PH/s and day'), ('carbon', 'carbon of the grid, milligrams of CO2e per kWh'), ('renewable', 'renewable share of the grid, thousandths'), ('grid', 'drawn from the grid, watts'), ('grid_available', 'could be drawn from the grid, watts'), ('solar', 'solar power, watts'), ('wind', 'wind power, watts'), ('charging', 'into the battery, watts'), ('discharging', 'out of the battery, watts'), ('charge', 'charge of the battery, thousandths of what it can hold'), ('exported', 'sold to the grid, watts'), ('mining', 'drawn by miners, watts'), ('socket', 'drawn by one miner at its plug, watts')], max_length=16),
        ),
        migrations.AlterField(
            model_name='feed',
            name='source',
            field=models.CharField(choices=[('manual', 'typed in or loaded from a file by staff'), ('http', 'asked for over HTTP'), ('miners', "read from the site's miners"), ('battery', "read from the site's battery")], default='manual', max_length=8),
        ),
        migrations.AddConstraint(
            model_name='battery',
            constraint=models.CheckConstraint(condition=models.Q(('reserve_percent__lte', 100)), name='battery_reserve_is_a_share'),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['price', 'hash_price', 'carbon', 'renewable', 'grid', 'grid_available', 'solar', 'wind', 'charging', 'discharging', 'charge', 'exported', 'mining', 'socket'])), name='feed_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='sitepolicy',
            constraint=models.CheckConstraint(condition=models.Q(('battery_reserve_percent__lte', 100)), name='policy_reserve_is_a_share'),
        ),
        migrations.AddField(
            model_name='inverter',
            name='site',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='inverter', to='marketplace.site'),
        ),
        migrations.AddConstraint(
            model_name='inverter',
            constraint=models.CheckConstraint(condition=models.Q(('dialect__in', ['sunspec', 'fake']), ('outcome__in', ['', 'obeyed', 'refused', 'unreachable', 'lied'])), name='inverter_words_are_known'),
        ),
        migrations.AddConstraint(
            model_name='inverter',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('wanted_until', None), ('wanted_watts', None)), models.Q(('wanted_until__isnull', False), ('wanted_watts__isnull', False)), _connector='OR'), name='inverter_wish_ends'),
        ),
    ]
