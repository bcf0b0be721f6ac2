"""Nodes are taken and orders written down by functions of the database: see leasing/operations/booking.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "operations" / "booking.sql").read_text()
BACKWARD = """
DROP FUNCTION leasing_order, leasing_confirm, leasing_reach, leasing_lock_nodes, leasing_lock_choice, leasing_is_choice,
              leasing_is_free;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_terms"), ("marketplace", "0005_nodes"), ("leasing", "0012_nodes")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
