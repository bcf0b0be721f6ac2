from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0004_hold")]

    operations = [
        migrations.AddField(
            model_name="node",
            name="fabric_group",
            field=models.SlugField(
                blank=True,
                db_index=False,
                default="",
                help_text="Nodes of a site with the same group share a fast network, such as one InfiniBand island.",
                max_length=40,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="site",
            name="blind_since",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When its nodes were last looked at, while nobody looks.",
                null=True,
            ),
        ),
    ]
