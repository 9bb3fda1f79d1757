from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0011_mass_changes")]

    operations = [
        migrations.AddField("fileset", "locked", models.DateTimeField(default=None, null=True)),
        migrations.AddField("fileset", "locked_by", models.CharField(default="", max_length=64)),
    ]
