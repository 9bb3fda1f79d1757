from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gc", "0002_parts")]

    operations = [migrations.AddField("run", "takes_over", models.BooleanField(default=False))]
