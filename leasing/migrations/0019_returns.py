"""A lease's nodes are locked and let go by functions of the database: see leasing/operations/booking.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "operations" / "booking.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("leasing", "0018_standby")]

    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION leasing_release, leasing_lock_claimed;")]
