from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0005_presence")]

    operations = [
        migrations.AddField("servedroot", "forgotten", models.BooleanField(default=False)),
        migrations.AddField("presence", "trouble", models.TextField(default="")),
    ]
