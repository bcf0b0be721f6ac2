"""An order takes what another quote of its organization holds, of one fabric group if it asks so: see booking.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "operations" / "booking.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("leasing", "0025_holds")]

    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
