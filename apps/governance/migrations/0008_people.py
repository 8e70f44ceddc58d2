from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("governance", "0007_compliance"),
    ]
    operations = [
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recovery_codes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.AddConstraint(
            model_name="recoverycode",
            constraint=models.UniqueConstraint(fields=("user", "digest"), name="one_recovery_code_of_a_kind"),
        ),
        migrations.CreateModel(
            name="SignIn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("session_digest", models.CharField(max_length=64, unique=True)),
                ("method", models.CharField(help_text="The second factor that was shown", max_length=16)),
                ("started_at", models.DateTimeField()),
                (
                    "seen_at",
                    models.DateTimeField(
                        help_text="The person's last own step, to the minute; what pages ask by themselves is none"
                    ),
                ),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "ended_because",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("signed_out", "Signed out"),
                            ("idle", "Nothing done for too long"),
                            ("too_long", "Signed in for too long"),
                            ("password", "Password changed"),
                            ("factor", "Second factor changed"),
                            ("reset", "Second factor reset"),
                            ("role", "Role changed"),
                            ("by_owner", "Ended from another browser"),
                        ],
                        max_length=16,
                    ),
                ),
                ("address", models.GenericIPAddressField(blank=True, null=True)),
                ("browser", models.CharField(blank=True, max_length=200)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sign_ins",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("see_everything", "May see everything but secrets"),
                    ("manage_people", "May make people and propose their roles and new second factors"),
                    ("export_metrics", "May export metrics"),
                    ("export_audit", "May export the audit chain"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="signin",
            index=models.Index(
                condition=models.Q(("ended_at", None)), fields=["user", "-id"], name="sign_ins_of_a_person"
            ),
        ),
    ]
