import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_removal_and_resubmission")]

    operations = [
        migrations.CreateModel(
            "Plan",
            [
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="plan",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                ("settings", models.CharField(max_length=64)),
                ("told", models.JSONField(null=True)),
                (
                    "applied",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="jobs.job",
                    ),
                ),
            ],
            {"ordering": ("job",)},
        ),
    ]
