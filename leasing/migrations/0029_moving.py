from django.db import migrations, models

CAUSES = [
    ("unreachable", "host and tenant's SSH do not answer"),
    ("rebooted", "host restarted and the machine is not running yet"),
    ("gpu_lost", "a GPU does not answer"),
    ("swapping", "it is being replaced by another node"),
    ("moving", "it is being moved to another node, as you asked"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("leasing", "0027_end_notice"),
    ]

    operations = [
        migrations.AlterField(
            model_name="nodehealth",
            name="cause",
            field=models.CharField(
                blank=True, choices=CAUSES, help_text="Empty: nothing is wrong.", max_length=12
            ),
        ),
        migrations.AlterField(
            model_name="outage", name="cause", field=models.CharField(choices=CAUSES, max_length=12)
        ),
    ]
