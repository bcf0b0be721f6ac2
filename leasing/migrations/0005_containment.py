from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('leasing', '0004_telemetry'),
        ('marketplace', '0002_machines_that_can_be_trusted'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='machine',
            name='machine_work_due',
        ),
        migrations.AddField(
            model_name='machine',
            name='contain_attempts',
            field=models.PositiveIntegerField(default=0, help_text='How often somebody set out to switch the node off; 0 once it was switched on again.'),
        ),
        migrations.AddField(
            model_name='machine',
            name='contained_at',
            field=models.DateTimeField(blank=True, help_text="When its node was seen off, since the tenant's access could not be ended.", null=True),
        ),
        migrations.AddIndex(
            model_name='machine',
            index=models.Index(condition=models.Q(('state__in', ['pausing', 'preparing', 'resuming', 'servicing', 'wipe_failed', 'wiping'])), fields=['next_attempt_at'], name='machine_work_due'),
        ),
    ]
