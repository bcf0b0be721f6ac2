from django.db import migrations, models


class Migration(migrations.Migration):
    """A credit for short notice is called by a sentence; nothing changes in the database."""

    dependencies = [("billing", "0018_speed")]

    operations = [
        migrations.AlterField(
            model_name="creditrule",
            name="kind",
            field=models.CharField(
                choices=[
                    ("outage", "a node did not serve"),
                    ("late_start", "the lease began later than agreed"),
                    ("short_notice", "a pause was announced too late"),
                ],
                max_length=12,
            ),
        ),
    ]
