"""A lease is called off by one function of the database: see leasing/operations/booking.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "operations" / "booking.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("leasing", "0020_carbon")]

    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION leasing_cancel;")]
