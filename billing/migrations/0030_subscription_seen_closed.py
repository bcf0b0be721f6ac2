"""When a subscription was last seen to be over, with every invoice final: who comes back begins anew only then."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0029_second_person_for_credit'),
    ]

    operations = [
        migrations.AddField(
            model_name='meteredsubscription',
            name='closed_at',
            field=models.DateTimeField(blank=True, help_text='When it was last seen to be over, with none of its invoices a draft.', null=True),
        ),
    ]
