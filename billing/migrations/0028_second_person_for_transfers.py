"""A bank transfer that staff record is a kind of adjustment too: above the limit it waits for a second person."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0027_permission_incident'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='adjustment',
            name='adjustment_kind_is_known',
        ),
        migrations.AlterField(
            model_name='adjustment',
            name='kind',
            field=models.CharField(choices=[('adjustment', 'adjustment'), ('gift', 'promotional credit'), ('credit_note', 'credit note'), ('write_off', 'write-off'), ('transfer', 'bank transfer')], default='adjustment', max_length=12),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['adjustment', 'gift', 'credit_note', 'write_off', 'transfer'])), name='adjustment_kind_is_known'),
        ),
    ]
