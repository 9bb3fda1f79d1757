from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0012_fileset_locks")]

    operations = [
        migrations.AddField("fileset", "trash_days", models.FloatField(default=None, null=True)),
    ]
