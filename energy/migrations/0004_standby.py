"""A fourth kind of command: nodes on which nobody is are switched off."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('energy', '0003_dispatch'),
    ]

    operations = [
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
    ]
