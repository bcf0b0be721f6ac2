"""What an order asks of its customer's leases is in the index."""

from django.db import migrations, models

OVER = ["cancelled", "ended", "expired", "failed", "reclaiming"]


class Migration(migrations.Migration):
    dependencies = [("leasing", "0014_orders")]

    operations = [
        migrations.RemoveIndex(model_name="lease", name="lease_counted"),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("state__in", OVER), _negated=True),
                fields=["organization"],
                include=["id", "state", "starts_at", "ends_at", "node_count", "offer"],
                name="lease_counted",
            ),
        ),
    ]
