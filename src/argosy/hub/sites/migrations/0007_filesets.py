import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0006_forgotten_roots")]

    operations = [
        migrations.CreateModel(
            "Fileset",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file_keys", models.JSONField(default=list)),
                ("file_name", models.CharField(default="", max_length=4096)),
                ("name", models.CharField(max_length=63)),
                ("path", models.BinaryField()),
                ("snapshots", models.CharField(default="index", max_length=8)),
                ("ident", models.CharField(default="", max_length=32)),
                ("number", models.PositiveIntegerField(default=None, null=True)),
                ("state", models.CharField(default="", max_length=16)),
                ("reason", models.TextField(default="")),
                ("seen", models.DateTimeField(default=None, null=True)),
                ("adopt", models.BooleanField(default=False)),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="filesets", to="sites.site"
                    ),
                ),
            ],
            {
                "ordering": ("id",),
                "constraints": [models.UniqueConstraint(fields=("site", "name"), name="one_fileset_per_name")],
            },
        ),
    ]
