"""A fourth kind of command: nodes on which nobody is are switched off; leases are proposed one by one."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('energy', '0003_dispatch'),
        ('leasing', '0018_standby'),
        ('marketplace', '0008_power'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='command',
            name='command_one_proposal',
        ),
        migrations.AlterField(
            model_name='command',
            name='kind',
            field=models.CharField(choices=[('miners', 'miners'), ('battery', 'battery'), ('idle', 'idle nodes'), ('surplus', 'surplus lease')], max_length=8),
        ),
        migrations.AlterField(
            model_name='command',
            name='target',
            field=models.JSONField(help_text='Watts at the plug by class of miners, of the battery; the nodes; or of the pause.'),
        ),
        migrations.AddConstraint(
            model_name='command',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'proposed')), fields=('site', 'kind', 'lease'), name='command_one_proposal', nulls_distinct=False),
        ),
    ]
