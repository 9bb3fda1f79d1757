from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0002_datastore_settings")]

    operations = [
        migrations.AddField("site", "min_stub_size", models.PositiveBigIntegerField(default=65536)),
        migrations.AddField("site", "trash_days", models.FloatField(default=30.0)),
    ]
