from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leasing", "0026_own_hold"),
    ]

    operations = [
        migrations.RenameField(model_name="lease", old_name="auto_extend_notice_at", new_name="end_notice_at"),
        migrations.AlterField(
            model_name="lease",
            name="end_notice_at",
            field=models.DateTimeField(
                blank=True, help_text="When the customer was told that it ends; once for each end.", null=True
            ),
        ),
    ]
