"""Surplus: nodes that run on spare power, and may be paused for want of it after a notice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0006_search")]

    operations = [
        migrations.AlterField(
            model_name="plan",
            name="kind",
            field=models.CharField(
                choices=[("on_demand", "on demand"), ("reserved", "reserved"), ("surplus", "surplus")], max_length=12
            ),
        ),
        migrations.AddField(
            model_name="terms",
            name="more_notice_seconds",
            field=models.PositiveIntegerField(
                default=0, help_text="By how much the tenant may have an interruption begin later, once."
            ),
        ),
    ]
