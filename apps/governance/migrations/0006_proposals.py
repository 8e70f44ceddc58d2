from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("governance", "0005_signatures"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProposalOption",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=1)),
                ("name", models.CharField(max_length=120)),
                ("summary", models.TextField()),
                (
                    "changes",
                    models.JSONField(
                        default=list, help_text="[{name, old, new, unit}] by name in the parameter catalog"
                    ),
                ),
                ("pros", models.JSONField(default=list)),
                ("cons", models.JSONField(default=list)),
                ("trade_off", models.TextField(blank=True)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["proposal", "key"],
            },
        ),
        migrations.CreateModel(
            name="ProposalDecision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("waivers", models.JSONField(default=list, help_text="[{slot, title, reason}]")),
                ("reason", models.TextField()),
                ("digest", models.CharField(max_length=64)),
                ("decided_at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "request",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="direction",
                        to="governance.approvalrequest",
                    ),
                ),
                (
                    "fallback",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="governance.proposaloption"
                    ),
                ),
                (
                    "primary",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="governance.proposaloption"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="FallbackSwitch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.TextField()),
                ("switched_at", models.DateTimeField()),
                (
                    "switched_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "decision",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="switch",
                        to="governance.proposaldecision",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "fallback switches",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="RedesignProposal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=160)),
                ("problem", models.TextField()),
                ("baseline", models.JSONField(default=list, help_text="[{name, value, unit}], value as decimal text")),
                (
                    "causes",
                    models.JSONField(
                        default=list, help_text="[{cause, answer}], answer: what the platform does about it"
                    ),
                ),
                (
                    "axes",
                    models.JSONField(
                        default=list, help_text="[{regime, metric, unit}] on which every option is compared"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("evidence", "Collecting evidence"),
                            ("decision", "Waiting for a decision"),
                            ("implementing", "Implementing"),
                            ("watching", "Watching the result"),
                            ("closed", "Closed"),
                        ],
                        default="draft",
                        max_length=12,
                    ),
                ),
                ("revision", models.PositiveIntegerField(default=1)),
                (
                    "dated_at",
                    models.DateTimeField(
                        help_text="When the problem was stated, which may be before it was written here"
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("watch_from", models.DateTimeField(blank=True, null=True)),
                ("watch_until", models.DateTimeField(blank=True, null=True)),
                (
                    "watch",
                    models.JSONField(
                        default=list, help_text="[{name, unit, forecast, actual}], actual null until measured"
                    ),
                ),
                ("outcome", models.TextField(blank=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "last_editor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("write_proposal", "May write redesign proposals, their evidence and their tasks"),
                    ("write_comment", "May comment"),
                    ("choose_direction", "May choose the direction of a redesign"),
                ],
            },
        ),
        migrations.AddField(
            model_name="proposaloption",
            name="proposal",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="options", to="governance.redesignproposal"
            ),
        ),
        migrations.AddField(
            model_name="proposaldecision",
            name="proposal",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="decisions", to="governance.redesignproposal"
            ),
        ),
        migrations.CreateModel(
            name="EvidenceSlot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(max_length=40)),
                ("title", models.CharField(max_length=120)),
                ("wanted", models.TextField(blank=True, help_text="What would fill it")),
                ("is_required", models.BooleanField(default=True)),
                ("is_matrix", models.BooleanField(default=False)),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="slots",
                        to="governance.redesignproposal",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="WorkItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=160)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("todo", "Not started"),
                            ("doing", "In progress"),
                            ("waiting", "Waiting"),
                            ("done", "Done"),
                            ("dropped", "Dropped"),
                        ],
                        default="todo",
                        max_length=8,
                    ),
                ),
                ("due_at", models.DateTimeField()),
                (
                    "estimate",
                    models.CharField(blank=True, help_text="The time as it was promised, in words", max_length=60),
                ),
                ("created_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "overdue_told_at",
                    models.DateTimeField(blank=True, help_text="When WORK_OVERDUE was raised for it", null=True),
                ),
                ("depends_on", models.ManyToManyField(blank=True, related_name="needed_by", to="governance.workitem")),
                (
                    "done_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("owners", models.ManyToManyField(related_name="work_items", to=settings.AUTH_USER_MODEL)),
                (
                    "proposal",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="work_items",
                        to="governance.redesignproposal",
                    ),
                ),
            ],
            options={
                "ordering": ["due_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("object_type", models.CharField(max_length=80)),
                ("object_id", models.CharField(max_length=240)),
                ("text", models.TextField()),
                ("created_at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "supplements",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="additions",
                        to="governance.comment",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["object_type", "object_id"], name="comment_object")],
            },
        ),
        migrations.CreateModel(
            name="ProposalEvidence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("report", "Report"),
                            ("measurement", "Measurement"),
                            ("recording", "Recorded books"),
                            ("backtest", "Backtest"),
                            ("scenario", "Scenario run"),
                            ("document", "Other document"),
                        ],
                        max_length=12,
                    ),
                ),
                ("title", models.CharField(max_length=160)),
                ("reference", models.CharField(blank=True, max_length=300)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("note", models.TextField(help_text="What it shows")),
                ("filled_at", models.DateTimeField()),
                (
                    "filled_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "slot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence",
                        to="governance.evidenceslot",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "proposal evidence",
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reference", ""), ("sha256", ""), _negated=True),
                        name="evidence_can_be_found",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OptionResult",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("option_revision", models.PositiveIntegerField()),
                ("regime", models.CharField(max_length=60)),
                ("metric", models.CharField(max_length=60)),
                ("unit", models.CharField(max_length=30)),
                ("value", models.DecimalField(decimal_places=6, max_digits=20)),
                ("low", models.DecimalField(decimal_places=6, max_digits=20)),
                ("high", models.DecimalField(decimal_places=6, max_digits=20)),
                (
                    "sample",
                    models.PositiveIntegerField(help_text="How many independent observations the interval rests on"),
                ),
                ("reference", models.CharField(max_length=300)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("recorded_label", models.CharField(max_length=150)),
                ("recorded_at", models.DateTimeField()),
                (
                    "recorded_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "option",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="results",
                        to="governance.proposaloption",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("low__lte", models.F("value")), ("value__lte", models.F("high"))),
                        name="result_within_its_interval",
                    ),
                    models.CheckConstraint(condition=models.Q(("sample__gte", 1)), name="result_has_a_sample"),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="proposaloption",
            constraint=models.UniqueConstraint(fields=("proposal", "key"), name="one_option_per_letter"),
        ),
        migrations.AddConstraint(
            model_name="proposaloption",
            constraint=models.CheckConstraint(
                condition=models.Q(("key__gte", "A"), ("key__lte", "Z")), name="option_key_is_a_letter"
            ),
        ),
        migrations.AddConstraint(
            model_name="proposaldecision",
            constraint=models.CheckConstraint(
                condition=models.Q(("primary", models.F("fallback")), _negated=True), name="fallback_is_another_option"
            ),
        ),
        migrations.AddConstraint(
            model_name="proposaldecision",
            constraint=models.CheckConstraint(
                condition=models.Q(("decided_by", models.F("author")), _negated=True), name="author_does_not_decide"
            ),
        ),
        migrations.AddConstraint(
            model_name="evidenceslot",
            constraint=models.UniqueConstraint(fields=("proposal", "key"), name="one_slot_per_key"),
        ),
        migrations.AddConstraint(
            model_name="workitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("done_at__isnull", False), ("done_by__isnull", False), ("status", "done")),
                    models.Q(
                        models.Q(("status", "done"), _negated=True),
                        ("done_at__isnull", True),
                        ("done_by__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="done_says_by_whom_and_when",
            ),
        ),
    ]
