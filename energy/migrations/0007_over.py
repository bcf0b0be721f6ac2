"""The sweep of what is over reads an index of what leads back somewhere, not all commands ever."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('energy', '0006_battery'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='command',
            index=models.Index(condition=models.Q(('ends_at__isnull', False), ('state__in', ('done', 'failed')), ('undoes', None), models.Q(('before', {}), _negated=True)), fields=['ends_at'], name='command_over'),
        ),
    ]
