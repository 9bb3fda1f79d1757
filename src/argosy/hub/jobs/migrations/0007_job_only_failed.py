from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_job_cancelled_by")]

    operations = [
        migrations.AddField("Job", "only_failed", models.BooleanField(default=False)),
    ]
