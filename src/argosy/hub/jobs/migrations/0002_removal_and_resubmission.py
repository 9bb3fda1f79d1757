"""What is needed to remove jobs, to do them again, and to find them by their paths."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def bound(apps: Any, _schema_editor: Any) -> None:
    """Note, for submissions there are, the first and the last of their paths."""
    from argosy.hub.jobs.blobs import unpack_carried
    from argosy.hub.jobs.given import bounds

    for submission in apps.get_model("jobs", "Submission").objects.iterator(chunk_size=100):
        if given := unpack_carried(submission.paths):
            submission.first, submission.last = bounds(given)
            submission.save(update_fields=["first", "last"])


class Migration(migrations.Migration):
    """See above."""

    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.AddField("job", "resubmission_of", models.PositiveBigIntegerField(db_index=True, null=True)),
        migrations.AddField("job", "removed", models.BooleanField(default=False)),
        migrations.AddField("submission", "first", models.BinaryField(default=b"")),
        migrations.AddField("submission", "last", models.BinaryField(default=b"")),
        migrations.AddField("submission", "asked", models.JSONField(default=dict)),
        migrations.AlterField(
            "task",
            "parent",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="children",
                to="jobs.task",
            ),
        ),
        migrations.AddIndex("job", models.Index(fields=["completed"], name="job_completed")),
        migrations.AddIndex(
            "job", models.Index(condition=models.Q(("removed", True)), fields=["id"], name="job_removed")
        ),
        migrations.RunPython(bound, migrations.RunPython.noop),
        migrations.AddIndex("submission", models.Index(fields=["first", "last", "job"], name="submission_paths")),
    ]
