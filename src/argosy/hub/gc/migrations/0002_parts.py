from django.db import migrations, models

import argosy.hub.gc.models


class Migration(migrations.Migration):
    dependencies = [("gc", "0001_initial")]

    operations = [
        migrations.AddField("run", "nonce", models.CharField(max_length=32, default=argosy.hub.gc.models.new_nonce)),
        migrations.AddField("run", "part", models.PositiveIntegerField(default=0)),
    ]
