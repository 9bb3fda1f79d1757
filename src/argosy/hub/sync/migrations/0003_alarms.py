from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0002_conflicts"),
    ]

    operations = [
        migrations.AddField(model_name="run", name="alarms", field=models.JSONField(default=list)),
    ]
