from typing import Any

from django.db import migrations, models

KEYS = (
    "label", "icon_classes", "filter_rules", "fields", "discovery", "discovery_options", "enabled", "visible",
    "schedule_only", "allow_missing_paths",
)  # fmt: skip


def all_came_with_a_release(apps: Any, _: object) -> None:
    """Note of what is there that a release installed it as it is: until now nobody could make or change any."""
    for row in apps.get_model("workflows", "Workflow").objects.all():
        row.installed = {key: getattr(row, key) for key in KEYS}
        row.save(update_fields=["installed"])


class Migration(migrations.Migration):
    dependencies = [("workflows", "0001_initial")]

    operations = [
        migrations.AddField("workflow", "installed", models.JSONField(default=None, null=True)),
        migrations.RunPython(all_came_with_a_release, migrations.RunPython.noop),
    ]
