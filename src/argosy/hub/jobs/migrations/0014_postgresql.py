"""Indexes that PostgreSQL needs for what is asked all the time: it reads no index in order behind `IS NULL`."""

from typing import Any

from django.db import migrations

INDEXES = {
    "task_untold": "(site_id, queue, seq DESC, id) WHERE state = 'PENDING' AND rung_at IS NULL AND NOT held",
    "task_told": "(rung_at) WHERE state = 'PENDING' AND rung_at IS NOT NULL",
}


def make(_apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        for name, what in INDEXES.items():
            editor.execute(f"CREATE INDEX {name} ON task {what}")


def drop(_apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        for name in INDEXES:
            editor.execute(f"DROP INDEX {name}")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0013_untaken")]

    operations = [migrations.RunPython(make, drop)]
