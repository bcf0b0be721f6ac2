"""All calls to the card processor in one outbox, objects that are polled, and a daily reconciliation."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0011_ledger'),
    ]

    operations = [
        migrations.CreateModel(
            name='Pace',
            fields=[
                ('endpoint', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('free_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Watermark',
            fields=[
                ('kind', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.AlterField(
            model_name='gatewaycall',
            name='kind',
            field=models.CharField(choices=[('customer', 'make the customer known'), ('checkout', 'open a page to pay at'), ('refund', 'send money back to a card')], max_length=24),
        ),
        migrations.AlterField(
            model_name='refund',
            name='attempts',
            field=models.PositiveIntegerField(default=0, help_text='How often the processor was asked how far it is.'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='next_attempt_at',
            field=models.DateTimeField(help_text='When to ask next, in case its message never comes.'),
        ),
        migrations.CreateModel(
            name='Forgery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('reason', models.CharField(max_length=80)),
                ('count', models.PositiveIntegerField(default=0)),
                ('last_at', models.DateTimeField()),
            ],
            options={
                'verbose_name_plural': 'forgeries',
                'constraints': [models.UniqueConstraint(fields=('day', 'reason'), name='forgery_counted_by_day_and_reason')],
            },
        ),
    ]
