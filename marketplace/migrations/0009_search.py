"""
Calendars know their longest gap: who looks for more time than that looks behind what is booked, and not between. And
they know what of them takes firm power, so that the search knows what a site has left of it.
"""

from pathlib import Path

from django.db import migrations, models
from psycopg.types.multirange import TimestamptzMultirange

import marketplace.models.calendar

QUERIES = Path(__file__).parent.parent / "queries"
FREE, POWER = [(QUERIES / name).read_text() for name in ("free.sql", "power.sql")]
NO_POWER = "DROP FUNCTION site_powers, site_short_of_power, site_surely_powers, site_firm_power;"


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0008_power")]

    operations = [
        migrations.RunSQL(FREE, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="nodecalendar",
            name="longest_gap",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(models.F("busy"), function="longest_gap"),
                help_text="Between two of these periods.",
                output_field=models.DurationField(),
            ),
        ),
        migrations.AddField(
            model_name="nodecalendar",
            name="not_firm",
            field=marketplace.models.calendar.TimeMultiRangeField(
                default=TimestamptzMultirange,
                help_text="The part of `busy` that takes no firm power of the site: surplus leases, and maintenance.",
            ),
        ),
        migrations.AddField(
            model_name="nodecalendar",
            name="held_firm",
            field=models.BooleanField(default=True, help_text="Whether an order of the quote takes firm power."),
        ),
        migrations.RunSQL(POWER, NO_POWER),
    ]
