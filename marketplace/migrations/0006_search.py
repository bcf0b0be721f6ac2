"""What "free" means is said by functions of the database: see marketplace/queries/free.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "queries" / "free.sql").read_text()
BACKWARD = "DROP FUNCTION node_gaps, node_is_free, node_is_held, node_is_in_stock;"


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0005_nodes")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
