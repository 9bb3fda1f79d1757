from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0011_phases")]

    operations = [
        migrations.AddField("Job", "schedule", models.PositiveBigIntegerField(null=True)),
        migrations.AddField("Job", "schedule_name", models.CharField(default="", max_length=255)),
        migrations.AddField("Job", "feeds", models.BooleanField(default=False)),
        migrations.AddField("Job", "fed_by", models.PositiveBigIntegerField(db_index=True, null=True)),
        migrations.AddIndex("Job", models.Index(fields=["schedule", "state"], name="job_schedule")),
    ]
