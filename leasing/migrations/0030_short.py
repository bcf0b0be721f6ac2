"""A refused order says whether nodes were missing or power: see booking.sql. What a function returns is not replaced."""

from pathlib import Path

from django.db import migrations

DROP = "DROP FUNCTION leasing_order(jsonb, jsonb, jsonb, jsonb, bigint, tstzrange, tstzrange, text, text);"
FORWARD = (Path(__file__).parent.parent / "operations" / "booking.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("leasing", "0029_moving")]

    operations = [migrations.RunSQL(DROP + FORWARD, migrations.RunSQL.noop)]
