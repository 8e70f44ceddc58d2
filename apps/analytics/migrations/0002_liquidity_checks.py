from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="LiquidityCheckRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ran_at", models.DateTimeField(db_index=True)),
                ("seconds", models.DecimalField(decimal_places=3, max_digits=8)),
                ("environment", models.CharField(max_length=10)),
                ("release", models.CharField(max_length=64)),
                ("ran_by", models.CharField(max_length=150)),
                ("errors", models.PositiveIntegerField()),
                ("warnings", models.PositiveIntegerField()),
                ("not_checked", models.PositiveIntegerField(help_text="Counted among the warnings")),
                ("results", models.JSONField(help_text="[{number, title, outcome, detail, facts}, …]")),
            ],
            options={"ordering": ["-id"]},
        ),
    ]
