from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_job_mode")]

    operations = [
        migrations.AddField("Job", "cancelled_by", models.CharField(default="", max_length=255)),
    ]
