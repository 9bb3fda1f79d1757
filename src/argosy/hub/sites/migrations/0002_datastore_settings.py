from typing import Any

from django.db import migrations, models


def number_as_known(apps: Any, _: object) -> None:
    """Keep the numbers that pointers in inodes hold already: those of the rows."""
    apps.get_model("sites", "Datastore").objects.update(number=models.F("id"))


class Migration(migrations.Migration):
    dependencies = [("sites", "0001_initial")]

    operations = [
        migrations.AddField("datastore", "prefix", models.CharField(default="", max_length=1024)),
        migrations.AddField("datastore", "ca_file", models.TextField(default="")),
        migrations.AddField("datastore", "addressing", models.CharField(default="auto", max_length=8)),
        migrations.AddField("datastore", "encryption", models.CharField(default="none", max_length=8)),
        migrations.AddField("datastore", "kms_key_id", models.CharField(default="", max_length=2048)),
        migrations.AddField("datastore", "storage_class", models.CharField(default="", max_length=64)),
        migrations.AddField("datastore", "restore_tier", models.CharField(default="Standard", max_length=16)),
        migrations.AddField("datastore", "restore_days", models.PositiveIntegerField(default=7)),
        migrations.AddField("datastore", "tries", models.PositiveIntegerField(default=5)),
        migrations.AddField("datastore", "timeout", models.PositiveIntegerField(default=60)),
        migrations.AddField("datastore", "abilities", models.JSONField(default=None, null=True)),
        migrations.AddField("datastore", "trouble", models.TextField(default="")),
        migrations.AddField("datastore", "probed", models.DateTimeField(default=None, null=True)),
        migrations.AddField("datastore", "number", models.PositiveBigIntegerField(default=0)),
        migrations.RunPython(number_as_known, migrations.RunPython.noop),
        migrations.AlterField("datastore", "number", models.PositiveBigIntegerField(unique=True)),
    ]
