import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0004_served_roots")]

    operations = [
        migrations.CreateModel(
            "Presence",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("node", models.CharField(max_length=255)),
                ("heard", models.DateTimeField()),
                ("unserved", models.JSONField(default=dict)),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="presences", to="sites.site"
                    ),
                ),
            ],
            {
                "ordering": ("node",),
                "constraints": [models.UniqueConstraint(fields=("site", "node"), name="presence_once")],
            },
        ),
    ]
