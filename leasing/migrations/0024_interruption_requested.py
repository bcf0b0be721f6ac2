"""The site's power asks by whom an interruption was requested, for each of its commands: not all that ever were."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("leasing", "0023_notice_clock")]

    operations = [
        migrations.AddIndex(
            model_name="interruption",
            index=models.Index(fields=["requested_by"], name="interruption_requested"),
        ),
    ]
