"""Of some kinds of adjustment the customer reads the reason too: its words say so."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0030_subscription_seen_closed'),
    ]

    operations = [
        migrations.AlterField(
            model_name='adjustment',
            name='reason',
            field=models.CharField(help_text='For staff; of some kinds the customer reads it too.', max_length=400),
        ),
    ]
