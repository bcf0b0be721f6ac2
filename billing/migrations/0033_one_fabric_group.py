"""Standing orders may wait for nodes of one fabric group."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("billing", "0032_shorter_is_repriced")]

    operations = [
        migrations.AddField(
            model_name="standingorder",
            name="same_fabric",
            field=models.BooleanField(default=False, help_text="All of one fabric group."),
        ),
    ]
