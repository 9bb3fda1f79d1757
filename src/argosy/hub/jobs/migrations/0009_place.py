from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_deaths")]

    operations = [
        migrations.AddField("Task", "place", models.BigIntegerField(default=0)),
        migrations.AddField("Task", "got_on", models.DateTimeField(null=True)),
    ]
