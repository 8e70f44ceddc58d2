"""Redesign proposals, to be looked at. They are worked in the console."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin_columns import IDLE, OK, WAIT, WARN, answer, count, number, status
from apps.core.admin_filters import YesNo, asks, happened
from apps.core.adminsite import DATA, REVIEW, ReadOnlyAdmin, ReadOnlyInline
from apps.governance.choices import ProposalStatus
from apps.governance.models import (
    EvidenceSlot,
    FallbackSwitch,
    OptionResult,
    ProposalDecision,
    ProposalEvidence,
    ProposalOption,
    RedesignProposal,
)

_PROPOSAL_MARKS = {
    ProposalStatus.DRAFT: IDLE,
    ProposalStatus.EVIDENCE: WAIT,
    ProposalStatus.DECISION: WARN,
    ProposalStatus.IMPLEMENTING: OK,
    ProposalStatus.WATCHING: OK,
    ProposalStatus.CLOSED: IDLE,
}


class ProposalOpen(YesNo):
    title = "Is it still open?"
    parameter_name = "open"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(status=ProposalStatus.CLOSED)


class Filled(YesNo):
    title = "Is anything in it?"
    parameter_name = "filled"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(pk__in=ProposalEvidence.objects.values("slot_id"))


class OptionInline(ReadOnlyInline):
    model = ProposalOption
    fields = ("key", "name", "summary", "revision", "updated_at")
    readonly_fields = fields


class SlotInline(ReadOnlyInline):
    model = EvidenceSlot
    fields = ("key", "title", "wanted", "is_required", "owner")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[EvidenceSlot]:
        return super().get_queryset(request).select_related("owner")


@admin.register(RedesignProposal)
class RedesignProposalAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Which redesign is proposed, how far is it, and who wrote it?"
    list_display = (
        "id", "title", status("status", _PROPOSAL_MARKS), "author", count("revision"), "dated_at", "updated_at",
    )  # fmt: skip
    list_display_links = ("id", "title")
    list_select_related = ("author",)
    list_filter = (ProposalOpen, ("status", asks("How far is it?")), happened("updated_at", "When was it changed?"))
    search_fields = ("title", "author__username")
    inlines = (OptionInline, SlotInline)
    deferred_in_list = ("problem", "baseline", "causes", "axes", "watch", "outcome")
    console_page = ("console:proposal", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RedesignProposal]:
        return super().get_queryset(request).select_related("author", "last_editor")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "open", RedesignProposal.objects.exclude(status=ProposalStatus.CLOSED)


@admin.register(ProposalOption)
class ProposalOptionAdmin(ReadOnlyAdmin):
    job = DATA
    question = "Which ways out were considered, and when were they last changed?"
    list_display = ("proposal", "key", "name", count("revision"), "updated_at")
    list_display_links = ("key", "name")
    list_select_related = ("proposal",)
    list_filter = (happened("updated_at", "When was it changed?"),)
    search_fields = ("name", "proposal__title")
    deferred_in_list = ("summary", "changes", "pros", "cons", "trade_off")
    console_page = ("console:proposal", "proposal_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProposalOption]:
        return super().get_queryset(request).select_related("proposal")


@admin.register(OptionResult)
class OptionResultAdmin(ReadOnlyAdmin):
    job = DATA
    question = "What did scenario runs give for each option, on how large a sample?"
    list_display = (
        "option", "regime", "metric", number("value"), number("low"), number("high"), "unit", count("sample"),
        "recorded_label", "recorded_at",
    )  # fmt: skip
    list_select_related = ("option",)
    list_filter = (happened("recorded_at", "When was it recorded?"),)
    search_fields = ("metric", "regime", "option__name")
    console_page = ("console:proposal", "option.proposal_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OptionResult]:
        return super().get_queryset(request).select_related("option")


@admin.register(EvidenceSlot)
class EvidenceSlotAdmin(ReadOnlyAdmin):
    job = DATA
    question = "Which evidence is asked for, by whom is it owed, and what is still missing?"
    list_display = (
        "proposal", "title", answer("is_required", "Needed", yes=(WARN, "required"), no=(IDLE, "optional")), "owner",
    )  # fmt: skip
    list_display_links = ("title",)
    list_select_related = ("proposal", "owner")
    list_filter = (Filled, ("is_required", asks("Is it required?", admin.BooleanFieldListFilter)))
    search_fields = ("title", "owner__username", "proposal__title")
    console_page = ("console:proposal", "proposal_id")


@admin.register(ProposalEvidence)
class ProposalEvidenceAdmin(ReadOnlyAdmin):
    job = DATA
    question = "Which evidence was given, what does it show, and who gave it?"
    list_display = ("slot", "kind", "title", "note", "filled_by", "filled_at")
    list_display_links = ("slot", "title")
    list_select_related = ("slot", "filled_by")
    list_filter = (("kind", asks("What kind of evidence?")), happened("filled_at", "When was it given?"))
    search_fields = ("title", "note", "=sha256")
    console_page = ("console:proposal", "slot.proposal_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProposalEvidence]:
        return super().get_queryset(request).select_related("slot", "filled_by")


@admin.register(ProposalDecision)
class ProposalDecisionAdmin(ReadOnlyAdmin):
    job = DATA
    question = "Which option was chosen, which may replace it, and by whom?"
    list_display = ("proposal", "primary", "fallback", "decided_by", "decided_at", "reason")
    list_filter = (happened("decided_at", "When was it decided?"),)
    search_fields = ("proposal__title", "decided_by__username", "reason")
    console_page = ("console:proposal", "proposal_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProposalDecision]:
        rows = super().get_queryset(request)
        return rows.select_related("proposal", "primary", "fallback", "decided_by", "author", "request")


@admin.register(FallbackSwitch)
class FallbackSwitchAdmin(ReadOnlyAdmin):
    job = DATA
    question = "When did a fallback take the place of what was chosen, and why?"
    no_filter = "one row for each decision at most"
    list_display = ("decision", "switched_by", "switched_at", "reason")
    search_fields = ("reason", "switched_by__username")
    console_page = ("console:proposal", "decision.proposal_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FallbackSwitch]:
        return super().get_queryset(request).select_related("decision__primary", "decision__fallback", "switched_by")
