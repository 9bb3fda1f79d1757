from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0007_filesets")]

    operations = [migrations.AddField("presence", "silent", models.JSONField(default=dict))]
