"""An order lets go of all nodes that its quote holds, also of those that it does not take: see booking.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "operations" / "booking.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("leasing", "0024_interruption_requested")]

    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
