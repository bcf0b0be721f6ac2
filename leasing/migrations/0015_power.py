"""Orders ask for firm power: see leasing/operations/power.sql, and booking.sql, which calls it."""

from pathlib import Path

from django.db import migrations

OPERATIONS = Path(__file__).parent.parent / "operations"
FORWARD = [(OPERATIONS / name).read_text() for name in ("power.sql", "booking.sql")]


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0008_power"), ("leasing", "0014_orders")]

    operations = [
        migrations.RunSQL(FORWARD[0], "DROP FUNCTION leasing_take_power, leasing_power_until;"),
        migrations.RunSQL(FORWARD[1], migrations.RunSQL.noop),
    ]
