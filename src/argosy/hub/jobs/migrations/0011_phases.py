from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_custom_slots")]

    operations = [
        migrations.AddField("Task", "phase", models.PositiveIntegerField(default=0)),
        migrations.AddField("Task", "held", models.BooleanField(default=False)),
        migrations.AddField("Job", "numheld", models.PositiveBigIntegerField(default=0)),
    ]
