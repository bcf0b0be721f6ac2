"""What leases used, by month, for whoever bills: written by energy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('leasing', '0019_returns'),
    ]

    operations = [
        migrations.CreateModel(
            name='EnergyCounted',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('until', models.DateTimeField()),
                ('site', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='marketplace.site')),
            ],
            options={
                'verbose_name_plural': 'energy counted',
            },
        ),
        migrations.CreateModel(
            name='LeaseEnergy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('measured_hours', models.PositiveIntegerField(default=0, help_text='By counters of the GPUs.')),
                ('estimated_hours', models.PositiveIntegerField(default=0, help_text="By the draw of the node's type.")),
                ('missing_hours', models.PositiveIntegerField(default=0, help_text='Nobody knows; counted as nothing.')),
                ('energy_wh', models.BigIntegerField(default=0, help_text='With cooling and losses.')),
                ('renewable_wh', models.BigIntegerField(default=0, help_text='Of those.')),
                ('location_ug', models.BigIntegerField(default=0, help_text="Micrograms of CO2-equivalent, by the grid's mix.")),
                ('market_ug', models.BigIntegerField(default=0, help_text='The same by contracts for green power: instead, not too.')),
                ('month', models.DateField()),
                ('lease', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='energy_months', to='leasing.lease')),
            ],
            options={
                'ordering': ['lease', 'month'],
                'constraints': [models.UniqueConstraint(fields=('month', 'lease'), name='lease_energy_once_a_month')],
            },
        ),
    ]
