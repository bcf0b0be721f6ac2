"""A raise of a credit limit is a kind of adjustment too. It moves no money: alone of them it has no posting when done."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0028_second_person_for_transfers'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='adjustment',
            name='adjustment_kind_is_known',
        ),
        migrations.RemoveConstraint(
            model_name='adjustment',
            name='adjustment_posts_when_decided',
        ),
        migrations.AlterField(
            model_name='adjustment',
            name='kind',
            field=models.CharField(choices=[('adjustment', 'adjustment'), ('gift', 'promotional credit'), ('credit_note', 'credit note'), ('write_off', 'write-off'), ('transfer', 'bank transfer'), ('credit_raise', 'credit raise')], default='adjustment', max_length=12),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['adjustment', 'gift', 'credit_note', 'write_off', 'transfer', 'credit_raise'])), name='adjustment_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('posting__isnull', False), ('state', 'posted'), models.Q(('kind', 'credit_raise'), _negated=True)), models.Q(('posting', None), models.Q(models.Q(('state', 'posted'), _negated=True), ('kind', 'credit_raise'), _connector='OR')), _connector='OR'), name='adjustment_posts_when_decided'),
        ),
    ]
