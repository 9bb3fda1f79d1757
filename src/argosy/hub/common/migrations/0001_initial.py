from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Configuration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("jobs_ttl", models.PositiveIntegerField(default=90)),
                ("task_invalidation_timeout", models.PositiveIntegerField(default=360)),
            ],
        ),
    ]
