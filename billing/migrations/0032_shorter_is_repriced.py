"""A lease that is made shorter before its start is priced as one of its new length: what that takes of the money."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0031_adjustment_reason_words'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='handback',
            name='hand_back_keeps_at_most_the_price',
        ),
        migrations.AddField(
            model_name='handback',
            name='repriced_micros',
            field=models.BigIntegerField(default=0, help_text='What the time that stays costs more, as a lease of its length does.'),
        ),
        migrations.AddConstraint(
            model_name='handback',
            constraint=models.CheckConstraint(
                condition=Q(fee_micros__gte=0, repriced_micros__gte=0)
                & Q(price_micros__gte=F('fee_micros') + F('repriced_micros')),
                name='hand_back_keeps_at_most_the_price',
            ),
        ),
    ]
