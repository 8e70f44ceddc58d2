from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.console.forms import ReasonForm
from apps.console.http import StaffRequest, console_page, page, status_of
from apps.console.strategy_forms import ArmForm, OffForm, ReviewForm, ScopeForm, WaiveForm
from apps.console.strategy_page import config_part, strategy_rows
from apps.core.exceptions import ApplicationError
from apps.governance.choices import Permission
from apps.risk.choices import Permission as RiskPermission
from apps.trading.models import Strategy, StrategyConfig, StrategyVersion
from apps.trading.services.ladder import rungs_of
from apps.trading.services.strategies import (
    config_disable,
    config_enable_propose,
    config_scope_propose,
    fallback_switch,
    waiver_propose,
)
from apps.trading.services.versions import version_review_propose
from apps.trading.strategy_selectors import agreement, strategy_configs, version_list

PROPOSE, STOP = Permission.PROPOSE_CHANGE.full, RiskPermission.TRIP_KILL_SWITCH.full


@require_safe
@console_page
def strategies(request: StaffRequest) -> HttpResponse:
    """Every strategy on every account: on or off, its code, its parameters, how far up the ladder."""
    now = timezone.now()
    context = {"now": now, "rows": strategy_rows(now=now), "agreement": agreement()}
    return page(request, "console/strategies.html", context)


@require_safe
@console_page
def strategy(request: StaffRequest, slug: str) -> HttpResponse:
    """One strategy: versions, and per account the parameters, the ladder with its gates, and the pre-flight list."""
    now, found = timezone.now(), get_object_or_404(Strategy, slug=slug)
    processes = agreement()
    parts = [
        config_part(config, processes, now=now)
        for config in strategy_configs()
        if config.version.strategy_id == found.pk
    ]
    context = {"now": now, "strategy": found, "versions": version_list(found), "parts": parts, "agreement": processes}
    return page(request, "console/strategy.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=STOP)
def off(request: StaffRequest, key: int) -> HttpResponse:
    config = _config(key)

    def perform(data: dict[str, Any]) -> str:
        config_disable(config=config, reason=data["reason"], actor=request.user, now=timezone.now())
        return _home(config)

    return _step(
        request, config, OffForm(request.POST or None), perform, title="Switch off", button="Switch off", is_stop=True,
        explanation="At once, by one person: the session takes every order of this strategy off. Somebody else looks "
        "at it within a day. Switching it on again has to be signed.",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def arm(request: StaffRequest, key: int) -> HttpResponse:
    config = _config(key)
    form = ArmForm(request.POST or None, config=config, rungs=rungs_of(config.account.environment))

    def perform(data: dict[str, Any]) -> str:
        return _asked(config_enable_propose(config=config, actor=request.user, now=timezone.now(), **data))

    return _step(
        request, config, form, perform, title="Arm", button="Ask for approval",
        explanation="The code, the parameters and the markets are signed as they are now. Every gate of the ladder up "
        "to the rung has to hold now, and again when it is signed.",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def scope(request: StaffRequest, key: int) -> HttpResponse:
    config = _config(key)

    def perform(data: dict[str, Any]) -> str:
        return _asked(config_scope_propose(config=config, actor=request.user, now=timezone.now(), **data))

    return _step(
        request, config, ScopeForm(request.POST or None, config=config), perform, title="Change the markets",
        button="Ask for approval",
        explanation="Fewer markets act at once; any market more has to be signed.",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def fallback(request: StaffRequest, key: int) -> HttpResponse:
    config = _config(key)

    def perform(data: dict[str, Any]) -> str:
        created = fallback_switch(config=config, reason=data["reason"], actor=request.user, now=timezone.now())
        messages.success(request, f"The fallback is in force as set #{created.number}. Somebody looks at it in a day.")
        return _home(config)

    return _step(
        request, config, ReasonForm(request.POST or None), perform, title="Switch to the fallback",
        button="Switch to the fallback",
        explanation="The fallback was signed beforehand, so one person is enough and it is in force at once.",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def waive(request: StaffRequest, key: int) -> HttpResponse:
    config = _config(key)

    def perform(data: dict[str, Any]) -> str:
        return _asked(waiver_propose(config=config, actor=request.user, now=timezone.now(), **data))

    return _step(
        request, config, WaiveForm(request.POST or None), perform, title="Ask for a waiver", button="Ask for approval",
        explanation="The reason is part of the record and is shown at the gate for as long as the waiver lasts.",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def review(request: StaffRequest, key: int) -> HttpResponse:
    version = get_object_or_404(StrategyVersion.objects.select_related("strategy"), pk=key)
    form = ReviewForm(
        request.POST or None, initial={"scope": "\n".join(version.scope), "execution_styles": version.execution_styles}
    )

    def perform(data: dict[str, Any]) -> str:
        return _asked(version_review_propose(version=version, actor=request.user, now=timezone.now(), **data))

    return _step(
        request, version, form, perform, title="Ask for a review", button="Ask for review",
        explanation="The one who signs says: I have read this code, by its hash, for these markets and styles.",
    )  # fmt: skip


def _step(
    request: StaffRequest,
    about: StrategyConfig | StrategyVersion,
    form: forms.Form,
    perform: Callable[[dict[str, Any]], str],
    **shown: Any,
) -> HttpResponse:
    """Shows the form, or makes the one service call and goes to the address it returns."""
    status, missing = 200, []
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return redirect(perform(form.cleaned_data))
            except ApplicationError as error:
                field = error.extra.get("field")
                missing = error.extra.get("missing", [])
                form.add_error(field if field in form.fields else None, error.message.partition(" Missing: ")[0])
                status = status_of(error)
    version = about if isinstance(about, StrategyVersion) else about.version
    context = {"about": about, "strategy": version.strategy, "version": version, "form": form, "missing": missing}
    return page(request, "console/strategy_step.html", context | shown, status=status)


def _config(key: int) -> StrategyConfig:
    return get_object_or_404(
        StrategyConfig.objects.select_related("account", "version__strategy", "version__reviewed_by"), pk=key
    )


def _home(config: StrategyConfig) -> str:
    return reverse("console:strategy", args=[config.version.strategy.slug])


def _asked(asked: Any) -> str:
    return reverse("console:approval", args=[asked.pk])
