from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_job_only_failed")]

    operations = [
        migrations.AddField("Task", "deaths", models.PositiveIntegerField(default=0)),
        migrations.AddField("Task", "lost", models.PositiveIntegerField(default=0)),
        migrations.AddIndex(
            "Task",
            models.Index(fields=["deaths"], name="task_suspected", condition=models.Q(deaths__gte=3)),
        ),
    ]
