"""Meters are found by organization and by when they were closed: the second count reads no history for a month."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0024_second_person'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='meter',
            index=models.Index(fields=['organization', 'closed_at'], name='meter_of_organization'),
        ),
    ]
