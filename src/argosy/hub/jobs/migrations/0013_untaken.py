from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0012_schedules")]

    operations = [
        migrations.AddField("Job", "numuntaken", models.PositiveBigIntegerField(default=0)),
    ]
