from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0009_blocked_slots")]

    operations = [
        migrations.RemoveField("presence", "silent"),
        migrations.AddField("presence", "unwell", models.JSONField(default=dict)),
    ]
