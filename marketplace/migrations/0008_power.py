"""The power that sites have for machines, over time."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('marketplace', '0007_surplus'),
    ]

    operations = [
        migrations.CreateModel(
            name='PowerWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                ('firm_watts', models.PositiveBigIntegerField(help_text='There even without the largest supply.')),
                ('likely_watts', models.PositiveBigIntegerField(help_text='Beyond that: there while no supply fails.')),
                ('surplus_watts', models.PositiveBigIntegerField(help_text='Beyond both: there with the usual sun and wind.')),
                ('derivation', models.JSONField(help_text='How firm_watts come about: a list of {what, watts}.')),
                ('counted_at', models.DateTimeField()),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='power_windows', to='marketplace.site')),
            ],
            options={
                'ordering': ['site', 'period'],
                'constraints': [django.contrib.postgres.constraints.ExclusionConstraint(expressions=[('site', '='), ('period', '&&')], name='power_window_no_overlap')],
            },
        ),
    ]
