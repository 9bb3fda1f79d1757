from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("common", "0001_initial")]

    operations = [
        migrations.AddField(
            "configuration", "snapshot_create_delete_retry_timeout", models.PositiveIntegerField(default=1000)
        ),
    ]
