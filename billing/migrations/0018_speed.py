"""What the wallet asks of meters whose leases have not begun is in the index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_credits")]

    operations = [
        migrations.RemoveIndex(model_name="meter", name="meter_open_of_organization"),
        migrations.AddIndex(
            model_name="meter",
            index=models.Index(
                condition=models.Q(("closed_at", None)),
                fields=["organization"],
                include=["lease", "hold_micros"],
                name="meter_open_of_organization",
            ),
        ),
    ]
