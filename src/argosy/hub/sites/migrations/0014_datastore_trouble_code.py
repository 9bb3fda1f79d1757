from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0013_fileset_trash_days")]

    operations = [
        migrations.AddField("datastore", "trouble_code", models.CharField(default="", max_length=64)),
    ]
