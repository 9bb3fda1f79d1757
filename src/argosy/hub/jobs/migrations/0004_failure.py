from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_plan")]

    operations = [
        migrations.CreateModel(
            "Failure",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("task_id", models.PositiveBigIntegerField(db_index=True)),
                ("result", models.PositiveBigIntegerField()),
                ("path", models.BigIntegerField()),
            ],
            {"indexes": [models.Index(fields=["path", "result"], name="failure_path")]},
        ),
    ]
