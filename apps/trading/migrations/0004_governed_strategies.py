from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("trading", "0003_place_orders"), ("governance", "0005_signatures")]

    operations = [
        migrations.CreateModel(
            name="BacktestEvidence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("params_hash", models.CharField(max_length=64)),
                (
                    "run_hash",
                    models.CharField(help_text="Of code, parameters, data and result", max_length=64, unique=True),
                ),
                ("data_from", models.DateTimeField()),
                ("data_until", models.DateTimeField()),
                (
                    "is_fee_accurate",
                    models.BooleanField(help_text="Fees are those of the exchange's rules at the time of each fill"),
                ),
                ("fills", models.PositiveIntegerField()),
                ("net_bps", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                (
                    "net_bps_low",
                    models.DecimalField(decimal_places=4, help_text="Lower bound, 95 %", max_digits=12, null=True),
                ),
                ("finished_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "backtest evidence",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="GateWaiver",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("gate", models.CharField(max_length=30)),
                ("reason", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ParameterName",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="A kernel's field is kernel.field", max_length=120, unique=True)),
                ("unit", models.CharField(max_length=20)),
                ("first_seen_at", models.DateTimeField()),
                ("retired_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="StrategyRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="parameterset",
            name="overrides",
            field=models.JSONField(blank=True, default=dict, help_text="Category to what differs in it"),
        ),
        migrations.AddField(
            model_name="parameterset",
            name="stored",
            field=models.JSONField(blank=True, default=dict, help_text="Catalog names that no kernel reads yet"),
        ),
        migrations.AddField(
            model_name="strategyconfig",
            name="approval",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="governance.approvalrequest",
            ),
        ),
        migrations.AddField(
            model_name="strategyconfig",
            name="rung",
            field=models.CharField(
                blank=True,
                choices=[
                    ("simulated", "Simulated"),
                    ("paper", "Paper"),
                    ("demo", "Demo"),
                    ("live_small", "Live, small"),
                    ("live", "Live"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="strategyversion",
            name="approval",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="governance.approvalrequest",
            ),
        ),
        migrations.AddField(
            model_name="strategyversion",
            name="execution_styles",
            field=models.JSONField(blank=True, default=list, help_text="maker, hybrid, sniper: as reviewed"),
        ),
        migrations.AddField(
            model_name="strategyversion",
            name="reviewed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="strategyversion",
            name="reviewed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="strategyversion",
            name="schema_hash",
            field=models.CharField(blank=True, help_text="Names, units and bounds of its parameters", max_length=64),
        ),
        migrations.AddField(
            model_name="strategyversion",
            name="scope",
            field=models.JSONField(
                blank=True, default=list, help_text="Series, event or market tickers it was reviewed for"
            ),
        ),
        migrations.AlterField(
            model_name="parameterset",
            name="status",
            field=models.CharField(
                choices=[("approved", "Approved"), ("fallback", "Approved as fallback"), ("retired", "Retired")],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="parameterset",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "fallback")), fields=("config",), name="one_fallback_per_config"
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approval", None), ("reviewed_at", None), ("reviewed_by", None)),
                    models.Q(
                        ("approval__isnull", False), ("reviewed_at__isnull", False), ("reviewed_by__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="a_review_has_a_reviewer_and_a_request",
            ),
        ),
        migrations.AddField(
            model_name="backtestevidence",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="backtests", to="trading.strategyversion"
            ),
        ),
        migrations.AddField(
            model_name="gatewaiver",
            name="approval",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="governance.approvalrequest"
            ),
        ),
        migrations.AddField(
            model_name="gatewaiver",
            name="config",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="waivers", to="trading.strategyconfig"
            ),
        ),
        migrations.AddField(
            model_name="gatewaiver",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trading.strategyversion"
            ),
        ),
        migrations.AddField(
            model_name="strategyrun",
            name="config",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="runs", to="trading.strategyconfig"
            ),
        ),
        migrations.AddField(
            model_name="strategyrun",
            name="parameters",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="runs", to="trading.parameterset"
            ),
        ),
        migrations.AddField(
            model_name="strategyrun",
            name="session",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="runs", to="trading.tradingsession"
            ),
        ),
        migrations.AddField(
            model_name="strategyrun",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="runs", to="trading.strategyversion"
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)), fields=("session", "config"), name="one_open_run_per_config"
            ),
        ),
    ]
