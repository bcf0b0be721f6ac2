from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0003_terms'),
    ]

    operations = [
        migrations.AddField(
            model_name='quote',
            name='discount_percent',
            field=models.PositiveSmallIntegerField(default=0, help_text='For the agreed length.'),
        ),
        migrations.AddField(
            model_name='quote',
            name='list_micros_per_node_hour',
            field=models.BigIntegerField(help_text='By the rate, before any discount.', null=True),
        ),
        migrations.AlterField(
            model_name='quote',
            name='micros_per_node_hour',
            field=models.BigIntegerField(help_text='Micro-dollars per node-hour, discount taken off.'),
        ),
        migrations.RunSQL(
            "UPDATE billing_quote SET list_micros_per_node_hour = micros_per_node_hour", migrations.RunSQL.noop
        ),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='quote',
            name='list_micros_per_node_hour',
            field=models.BigIntegerField(help_text='By the rate, before any discount.'),
        ),
    ]
