"""What miners draw: by meters of plugs, as they were read, and how well an hour knows it. Counted hours go down."""

import django.db.models.deletion
from django.db import migrations, models


# Hours that were counted before are summed once; from now on the hour that is counted adds itself.
MONTHS = """
    INSERT INTO leasing_leaseenergy (lease_id, month, measured_hours, estimated_hours, missing_hours, energy_wh,
                                     renewable_wh, location_ug, market_ug)
    SELECT lease_id, date_trunc('month', starts_at AT TIME ZONE 'UTC')::date,
           count(*) FILTER (WHERE quality = 'measured'), count(*) FILTER (WHERE quality = 'estimated'),
           count(*) FILTER (WHERE quality = 'missing'), sum(energy_wh), sum(renewable_wh), sum(location_ug),
           sum(market_ug)
      FROM energy_leasehour GROUP BY 1, 2
"""
COUNTED = """
    INSERT INTO leasing_energycounted (site_id, until)
    SELECT site_id, max(starts_at) + interval '1 hour' FROM energy_sitehour GROUP BY site_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ('energy', '0004_standby'),
        ('leasing', '0020_carbon'),
        ('marketplace', '0008_power'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='feed',
            name='feed_kind_is_known',
        ),
        migrations.RemoveConstraint(
            model_name='feed',
            name='feed_over_http_has_an_address',
        ),
        migrations.AddField(
            model_name='miner',
            name='meter',
            field=models.OneToOneField(blank=True, help_text='What its plug draws, if a power strip tells: believed before the miner itself.', limit_choices_to={'kind': 'socket'}, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='energy.feed'),
        ),
        migrations.AddField(
            model_name='sitehour',
            name='mining_quality',
            field=models.CharField(choices=[('measured', 'measured'), ('estimated', 'estimated'), ('missing', 'missing')], default='missing', help_text='By meters, or as miners say themselves.', max_length=10),
        ),
        migrations.AlterField(
            model_name='feed',
            name='kind',
            field=models.CharField(choices=[('price', 'energy price, micro-dollars per MWh'), ('hash_price', 'hash price, micro-dollars per PH/s and day'), ('carbon', 'carbon of the grid, milligrams of CO2e per kWh'), ('renewable', 'renewable share of the grid, thousandths'), ('grid', 'drawn from the grid, watts'), ('grid_available', 'could be drawn from the grid, watts'), ('solar', 'solar power, watts'), ('wind', 'wind power, watts'), ('charging', 'into the battery, watts'), ('discharging', 'out of the battery, watts'), ('exported', 'sold to the grid, watts'), ('mining', 'drawn by miners, watts'), ('socket', 'drawn by one miner at its plug, watts')], max_length=16),
        ),
        migrations.AlterField(
            model_name='feed',
            name='source',
            field=models.CharField(choices=[('manual', 'typed in or loaded from a file by staff'), ('http', 'asked for over HTTP'), ('miners', "read from the site's miners")], default='manual', max_length=8),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['price', 'hash_price', 'carbon', 'renewable', 'grid', 'grid_available', 'solar', 'wind', 'charging', 'discharging', 'exported', 'mining', 'socket'])), name='feed_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('source', 'http'), _negated=True), models.Q(('url', ''), _negated=True), _connector='OR'), name='feed_over_http_has_an_address'),
        ),
        migrations.RunSQL([MONTHS, COUNTED], ["DELETE FROM leasing_leaseenergy", "DELETE FROM leasing_energycounted"]),
    ]
