from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_place")]

    operations = [
        migrations.AlterField(
            "Task",
            "queue",
            models.CharField(
                choices=[("discovery", "Discovery"), ("transfer", "Transfer"), ("custom", "Custom")], max_length=16
            ),
        ),
    ]
