from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0010_unwell_datastores")]

    operations = [
        migrations.AddField("fileset", "mass_change_percent", models.PositiveSmallIntegerField(default=50)),
        migrations.AddField("fileset", "mass_change_count", models.PositiveIntegerField(default=10)),
        migrations.AddField("fileset", "mass_change_top", models.PositiveIntegerField(default=2)),
    ]
