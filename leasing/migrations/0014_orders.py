"""An order looks at what its customer has now, not at all that it ever had."""

from django.db import migrations, models

OVER = ["cancelled", "ended", "expired", "failed", "reclaiming"]


class Migration(migrations.Migration):
    dependencies = [("leasing", "0013_booking")]

    operations = [
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("state__in", OVER), _negated=True), fields=["organization"], name="lease_counted"
            ),
        ),
    ]
