"""Calendars know their longest gap: who looks for more time than that looks behind what is booked, and not between."""

from pathlib import Path

from django.db import migrations, models

FREE = (Path(__file__).parent.parent / "queries" / "free.sql").read_text()


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
    ]
