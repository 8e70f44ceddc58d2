from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q
from django.utils import timezone

DIRECTIONS = [
    ("raises", "Raises risk"),
    ("lowers", "Lowers risk"),
    ("unchanged", "Unchanged"),
    ("neutral", "No effect on risk"),
    ("unknown", "Effect on risk unknown"),
]


def carry_over(apps: Any, schema_editor: Any) -> None:
    """Who asked was the last to edit. What still waits was never put into a form that can be signed: it expires."""
    connection = schema_editor.connection
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        # The record's own guard; it is put back when the migrations are through.
        if is_postgresql:
            cursor.execute("ALTER TABLE governance_approvalvote DISABLE TRIGGER USER")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS governance_approvalvote_no_update")
    request = apps.get_model("governance", "ApprovalRequest")
    request.objects.update(editor=F("requester"))
    request.objects.filter(status="open").update(status="expired", closed_at=timezone.now())
    apps.get_model("governance", "ApprovalVote").objects.update(last_editor=F("requester"))
    # PostgreSQL alters no table that still has deferred checks to make.
    connection.check_constraints()
    if is_postgresql:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE governance_approvalvote ENABLE TRIGGER USER")


def person(**options: Any) -> models.ForeignKey:
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL, **options
    )


def of_request(related_name: str) -> models.ForeignKey:
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to="governance.approvalrequest"
    )


def key() -> models.BigAutoField:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


REQUEST_FIELDS = {
    "rows": models.JSONField(default=list, help_text="[{label, unit, old, new, direction, bounds}]"),
    "risk": models.CharField(choices=DIRECTIONS, default="unknown", max_length=10),
    "params_hash": models.CharField(blank=True, help_text="Of everything in force afterwards", max_length=64),
    "base_version": models.CharField(blank=True, max_length=80),
    "environment": models.CharField(blank=True, help_text="Empty where it reaches all of them", max_length=12),
    "evidence_digest": models.CharField(blank=True, max_length=64),
    "path": models.CharField(
        choices=[
            ("signed", "Signed"),
            ("lowered", "Lowered risk, by one person"),
            ("break_glass", "Emergency, by one person"),
        ],
        default="signed",
        max_length=12,
    ),
    "revision": models.PositiveIntegerField(default=1),
    "editor": person(null=True),
    "apply_after": models.DateTimeField(blank=True, help_text="Not applied before, even if signed", null=True),
    "countersign_by": models.DateTimeField(blank=True, help_text="When two others must have signed it", null=True),
    "overdue_told_at": models.DateTimeField(blank=True, help_text="When BREAK_GLASS_OVERDUE was raised", null=True),
}
VOTE_FIELDS = {
    "revision": models.PositiveIntegerField(default=1),
    "last_editor": person(null=True),
    "roles": models.CharField(blank=True, help_text="Those the voter had when signing", max_length=160),
    "statement": models.TextField(blank=True),
    "seal": models.CharField(blank=True, max_length=64),
    "factor": models.CharField(blank=True, help_text="How the voter had confirmed who they are", max_length=16),
}
CONSTRAINTS = [
    (
        "approvalrequest",
        models.CheckConstraint(
            condition=Q(("path", "signed"), ("status", "applied"), _connector="OR"), name="only_signed_requests_wait"
        ),
    ),
    (
        "approvalrequest",
        models.CheckConstraint(
            condition=Q(Q(("path", "break_glass"), _negated=True), ("countersign_by__isnull", False), _connector="OR"),
            name="broken_glass_is_signed_afterwards",
        ),
    ),
    (
        "approvalvote",
        models.CheckConstraint(
            condition=Q(("voter", F("last_editor")), _negated=True), name="voter_is_not_last_editor"
        ),
    ),
    (
        "approvalvote",
        models.UniqueConstraint(fields=("request", "revision", "voter"), name="one_vote_per_person"),
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("governance", "0004_audit_chain"),
    ]
    operations = [
        migrations.AlterModelOptions(
            name="approvalrequest",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("propose_change", "May propose a change"),
                    ("approve_change", "May approve a change proposed by somebody else"),
                    ("approve_risk_raise", "May approve a change that raises risk"),
                    ("break_glass", "May change something alone in an emergency"),
                ],
            },
        ),
        migrations.AlterField(
            model_name="approvalrequest",
            name="status",
            field=models.CharField(
                choices=[
                    ("open", "Open"),
                    ("applied", "Approved and applied"),
                    ("rejected", "Rejected"),
                    ("withdrawn", "Withdrawn"),
                    ("expired", "Expired"),
                    ("void", "Void: altered behind our back"),
                ],
                default="open",
                max_length=12,
            ),
        ),
        migrations.RemoveConstraint(model_name="approvalvote", name="one_vote_per_person"),
        *(migrations.AddField("approvalrequest", name, field) for name, field in REQUEST_FIELDS.items()),
        *(migrations.AddField("approvalvote", name, field) for name, field in VOTE_FIELDS.items()),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.AlterField("approvalrequest", "editor", person()),
        migrations.AlterField("approvalvote", "last_editor", person()),
        *(migrations.AddConstraint(model, constraint) for model, constraint in CONSTRAINTS),
        migrations.CreateModel(
            name="ApprovalRevision",
            fields=[
                ("id", key()),
                ("number", models.PositiveIntegerField()),
                ("content", models.JSONField()),
                ("digest", models.CharField(max_length=64)),
                ("reason", models.TextField()),
                ("edited_at", models.DateTimeField()),
                ("editor", person()),
                ("request", of_request("revisions")),
            ],
            options={
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(fields=("request", "number"), name="one_revision_per_number"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApprovalEvidence",
            fields=[
                ("id", key()),
                ("revision", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("backtest", "Backtest"),
                            ("scenario", "Scenario run"),
                            ("research", "Research report"),
                            ("file", "File"),
                            ("note", "Note"),
                        ],
                        max_length=10,
                    ),
                ),
                ("title", models.CharField(max_length=160)),
                (
                    "reference",
                    models.CharField(
                        blank=True, help_text="Number of a run, address, or the note itself", max_length=300
                    ),
                ),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("request", of_request("evidence")),
            ],
            options={
                "verbose_name_plural": "approval evidence",
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            Q(("kind", "file"), _negated=True), Q(("sha256", ""), _negated=True), _connector="OR"
                        ),
                        name="a_file_has_its_hash",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SignoffRule",
            fields=[
                ("id", key()),
                (
                    "action",
                    models.CharField(help_text="An action or a pattern of them, e.g. risk.limit.*", max_length=80),
                ),
                ("environment", models.CharField(blank=True, help_text="Empty for every one", max_length=12)),
                (
                    "direction",
                    models.CharField(blank=True, choices=DIRECTIONS, help_text="Empty for every one", max_length=10),
                ),
                (
                    "needs",
                    models.JSONField(help_text='Role to number of signatures, e.g. {"boss": 1, "risk": 1}'),
                ),
                ("put_at", models.DateTimeField()),
                ("retired_at", models.DateTimeField(blank=True, null=True)),
                (
                    "approval",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signoff_rule",
                        to="governance.approvalrequest",
                    ),
                ),
            ],
            options={
                "ordering": ["action", "environment", "direction", "id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(("retired_at", None)),
                        fields=("action", "environment", "direction"),
                        name="one_rule_in_force_per_key",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReviewItem",
            fields=[
                ("id", key()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("lowered", "Risk lowered"),
                            ("stopped", "Stopped"),
                            ("fallback", "Switched to the fallback"),
                        ],
                        max_length=10,
                    ),
                ),
                ("what", models.CharField(max_length=300)),
                ("object_type", models.CharField(max_length=80)),
                ("object_id", models.CharField(max_length=240)),
                ("opened_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                (
                    "overdue_told_at",
                    models.DateTimeField(blank=True, help_text="When REVIEW_OVERDUE was raised for it", null=True),
                ),
                ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                ("note", models.TextField(blank=True)),
                (
                    "request",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="review_item",
                        to="governance.approvalrequest",
                    ),
                ),
                (
                    "audit",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="governance.auditevent",
                    ),
                ),
                ("opened_by", person()),
                ("reviewed_by", person(blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            ("reviewed_by", None), Q(("reviewed_by", F("opened_by")), _negated=True), _connector="OR"
                        ),
                        name="reviewer_is_another_person",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("reviewed_at", None), ("reviewed_by", None)),
                            Q(("reviewed_at__isnull", False), ("reviewed_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="review_says_by_whom_and_when",
                    ),
                ],
            },
        ),
    ]
