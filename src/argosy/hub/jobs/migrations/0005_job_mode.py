from django.db import migrations, models
from django.db.migrations.state import StateApps


def note_plans(apps: StateApps, _editor: object) -> None:
    job, plan = apps.get_model("jobs", "Job"), apps.get_model("jobs", "Plan")
    job.objects.filter(pk__in=plan.objects.values("job")).update(dry_run=True)
    for planned, applied in plan.objects.exclude(applied=None).values_list("job", "applied"):
        job.objects.filter(pk=applied).update(applies=planned)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_failure")]

    operations = [
        migrations.AddField("Job", "dry_run", models.BooleanField(default=False)),
        migrations.AddField("Job", "applies", models.PositiveBigIntegerField(null=True)),
        migrations.RunPython(note_plans, migrations.RunPython.noop),
    ]
