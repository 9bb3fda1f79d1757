from typing import Any

from django.db import migrations, models


def note_served(apps: Any, _editor: Any) -> None:
    """Note the roots that sites serve."""
    served = apps.get_model("sites", "ServedRoot")
    sites = apps.get_model("sites", "Site").objects.all()
    rows = [served(site=site.name, path=path) for site in sites for path in site.roots]
    served.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("sites", "0003_site_policy")]

    operations = [
        migrations.CreateModel(
            "ServedRoot",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("site", models.CharField(max_length=63)),
                ("path", models.CharField(max_length=4096)),
            ],
            {
                "ordering": ("id",),
                "constraints": [models.UniqueConstraint(fields=("site", "path"), name="served_root_once")],
            },
        ),
        migrations.RunPython(note_served, migrations.RunPython.noop),
    ]
