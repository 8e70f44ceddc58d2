"""Links the rows already on record into the hash chain, by their age, and puts the triggers in place."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from apps.governance.audit import triggers
from apps.governance.audit.chain import GENESIS, Entry, linked

BATCH = 1_000


def chain_rows(apps: Any, schema_editor: Any) -> None:
    """The form of the hash never changes, which is why a migration may take it from the code."""
    using = schema_editor.connection.alias
    events = apps.get_model("governance", "AuditEvent").objects.using(using)
    previous, sequence, batch = GENESIS, 0, []
    for row in events.order_by("id").iterator(chunk_size=BATCH):
        sequence += 1
        entry = linked(_entry(row, sequence), previous=previous)
        row.sequence, row.previous_hash, row.hash = sequence, previous, entry.hash
        previous = entry.hash
        batch.append(row)
        if len(batch) == BATCH:
            events.bulk_update(batch, ["sequence", "previous_hash", "hash"])
            batch = []
    if batch:
        events.bulk_update(batch, ["sequence", "previous_hash", "hash"])
    head = apps.get_model("governance", "AuditHead").objects.using(using)
    head.create(pk=1, sequence=sequence, hash=previous)


def _entry(row: Any, sequence: int) -> Entry:
    return Entry(
        sequence=sequence,
        previous="",
        hash="",
        at=row.created_at,
        actor_id=row.actor_id,
        actor=row.actor_label,
        action=row.action,
        object_type=row.object_type,
        object_id=row.object_id,
        before=row.before,
        after=row.after,
        reason=row.reason,
        request_id=row.request_id,
        release=row.release,
    )


def install(apps: Any, schema_editor: Any) -> None:
    triggers.install(schema_editor.connection)


def remove(apps: Any, schema_editor: Any) -> None:
    triggers.remove(schema_editor.connection)


def settle(apps: Any, schema_editor: Any) -> None:
    """PostgreSQL changes no table while checks of the same transaction are still to be made."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("governance", "0003_one_time_password"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="auditevent", name="sequence", field=models.PositiveBigIntegerField(null=True)
        ),
        migrations.AddField(
            model_name="auditevent",
            name="previous_hash",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="auditevent",
            name="hash",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sequence", models.PositiveBigIntegerField()),
                ("hash", models.CharField(max_length=64)),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.RunPython(chain_rows, migrations.RunPython.noop),
        migrations.RunPython(settle, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="auditevent", name="sequence", field=models.PositiveBigIntegerField(unique=True)
        ),
        migrations.CreateModel(
            name="AuditAnchor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sequence", models.PositiveBigIntegerField(unique=True)),
                ("hash", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
                ("public_key", models.CharField(help_text="Ed25519, hex", max_length=64)),
                ("signature", models.CharField(help_text="Ed25519, hex", max_length=128)),
            ],
            options={"ordering": ["-sequence"]},
        ),
        migrations.CreateModel(
            name="AuditPlace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("path", models.CharField(max_length=400, unique=True)),
                (
                    "written_through",
                    models.PositiveBigIntegerField(default=0, help_text="Row of the newest anchor that lies there"),
                ),
                ("written_at", models.DateTimeField(blank=True, null=True)),
                ("error", models.TextField(blank=True)),
                ("failing_since", models.DateTimeField(blank=True, null=True)),
            ],
            options={"ordering": ["path"]},
        ),
        migrations.CreateModel(
            name="AuditVerification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField(db_index=True)),
                ("seconds", models.DecimalField(decimal_places=3, max_digits=10)),
                (
                    "scope",
                    models.CharField(
                        choices=[("full", "The whole chain"), ("recent", "The newest rows"), ("since", "From a row on")],
                        max_length=8,
                    ),
                ),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("intact", "Intact"),
                            ("broken", "Broken"),
                            ("incomplete", "Not fully checked"),
                        ],
                        max_length=12,
                    ),
                ),
                ("first_sequence", models.PositiveBigIntegerField()),
                ("last_sequence", models.PositiveBigIntegerField()),
                ("rows", models.PositiveBigIntegerField()),
                (
                    "anchored_through",
                    models.PositiveBigIntegerField(help_text="Row of the newest anchor kept outside the database"),
                ),
                ("breaks", models.JSONField(blank=True, default=list)),
                ("notes", models.JSONField(blank=True, default=list)),
                ("actor_label", models.CharField(max_length=150)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.RunPython(install, remove),
    ]
