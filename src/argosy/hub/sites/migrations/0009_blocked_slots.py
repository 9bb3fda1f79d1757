from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0008_silent_datastores")]

    operations = [migrations.AddField("presence", "blocked", models.JSONField(default=dict))]
