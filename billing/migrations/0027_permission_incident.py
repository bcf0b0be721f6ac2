"""A missing permission is an incident of its own: a call that is accepted ends one of the key, and says nothing of it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0026_incidents'),
    ]

    operations = [
        migrations.AlterField(
            model_name='gatewayincident',
            name='kind',
            field=models.CharField(choices=[('key_refused', 'the card processor refuses our key'), ('permission_refused', 'the card processor refuses something that our key may not do'), ('calls_late', 'calls to the card processor wait for more than an hour')], max_length=20),
        ),
    ]
