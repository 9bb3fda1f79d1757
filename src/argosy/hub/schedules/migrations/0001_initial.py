import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("sites", "0007_filesets"), ("workflows", "0002_installed")]

    operations = [
        migrations.CreateModel(
            "Schedule",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255, unique=True)),
                ("managed_paths", models.JSONField(default=list)),
                ("discovery", models.CharField(default=None, max_length=64, null=True)),
                ("discovery_options", models.JSONField(default=dict)),
                ("minute", models.CharField(default="*", max_length=255)),
                ("hour", models.CharField(default="*", max_length=255)),
                ("day_of_week", models.CharField(default="*", max_length=255)),
                ("day_of_month", models.CharField(default="*", max_length=255)),
                ("month_of_year", models.CharField(default="*", max_length=255)),
                ("enabled", models.BooleanField(default=True)),
                ("since", models.DateTimeField()),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="schedules", to="sites.site"
                    ),
                ),
            ],
            {"ordering": ("name",)},
        ),
        migrations.CreateModel(
            "Subscription",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255)),
                ("fields", models.JSONField(default=dict)),
                (
                    "schedule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subscriptions",
                        to="schedules.schedule",
                    ),
                ),
                (
                    "workflow",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="subscriptions",
                        to="workflows.workflow",
                    ),
                ),
            ],
            {"ordering": ("name", "id")},
        ),
        migrations.CreateModel(
            "Run",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due", models.DateTimeField(null=True)),
                ("began", models.DateTimeField()),
                ("jobs", models.JSONField(default=list)),
                ("skipped", models.BooleanField(default=False)),
                ("reason", models.TextField(default="")),
                (
                    "schedule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="schedules.schedule"
                    ),
                ),
            ],
            {
                "ordering": ("-id",),
                "constraints": [models.UniqueConstraint(fields=("schedule", "due"), name="one_run_a_minute")],
            },
        ),
    ]
