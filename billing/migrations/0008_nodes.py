from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_budget")]

    operations = [
        migrations.AddField(
            model_name="quote",
            name="same_fabric",
            field=models.BooleanField(default=False, help_text="All nodes of one fabric group."),
        )
    ]
