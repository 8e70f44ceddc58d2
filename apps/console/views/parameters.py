from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.console.forms import ReasonForm
from apps.console.http import StaffRequest, console_page, page, status_of
from apps.console.parameter_forms import ParametersForm, preview
from apps.core.exceptions import ApplicationError
from apps.governance.choices import Permission
from apps.governance.models import ApprovalRequest
from apps.trading.handlers.rows import rows_of
from apps.trading.models import ParameterSet, StrategyConfig
from apps.trading.parameter_catalog import RETIRED
from apps.trading.parameter_templates import TEMPLATES
from apps.trading.services.parameter_sets import categories_known
from apps.trading.services.parameters import NoParameters, parameters_in_force, parameters_propose
from apps.trading.services.strategies import fallback_of, fallback_propose
from apps.trading.strategy_selectors import elsewhere, parameter_lines, strategy_configs

SETS_SHOWN = 10
PROPOSE = Permission.PROPOSE_CHANGE.full


@require_safe
@console_page
def configs(request: StaffRequest) -> HttpResponse:
    """Every armed strategy with the parameters it runs."""
    rows = [_shown(config) for config in strategy_configs()]
    return page(
        request,
        "console/parameters.html",
        {"rows": rows, "elsewhere": elsewhere(), "retired": RETIRED, "templates": TEMPLATES.values()},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def propose(request: StaffRequest, key: int) -> HttpResponse:
    """New values for one strategy, for every market or for one category; they wait for other people."""
    config = _config(key)
    in_force, category = _in_force(config), request.GET.get("category", "")
    known = categories_known()
    if category and category not in known:
        raise Http404
    context = {"config": config, "in_force": in_force, "category": category, "categories": known,
               "templates": TEMPLATES.values()}  # fmt: skip
    if in_force is None:
        return page(request, "console/parameters_propose.html", context, status=409)
    form = ParametersForm(request.POST or None, config=config, in_force=in_force, category=category)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return redirect("console:approval", _ask(request, config, form, category).pk)
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    return page(request, "console/parameters_propose.html", context | {"form": form}, status=status)


def _ask(request: StaffRequest, config: StrategyConfig, form: ParametersForm, category: str) -> ApprovalRequest:
    ask = fallback_propose if form.is_fallback() else parameters_propose
    return ask(
        config=config,
        values=form.changes(),
        category=category,
        reason=form.cleaned_data["reason"],
        evidence=form.evidence(),
        actor=request.user,
        now=timezone.now(),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def template(request: StaffRequest, key: int, name: str) -> HttpResponse:
    """A ready set of changes, shown against what is in force, and asked for with a reason."""
    config, chosen = _config(key), TEMPLATES.get(name)
    if chosen is None:
        raise Http404
    form, status, rows = ReasonForm(request.POST or None), 200, []
    try:
        old, new = preview(config, parameters_in_force(config), dict(chosen.changes))
        rows = [row for row in rows_of(config.version.strategy.kernel, old, new) if row.old != row.new]
        if request.method == "POST":
            status = 422
            if form.is_valid():
                asked = parameters_propose(
                    config=config,
                    values=chosen.changes,
                    reason=form.cleaned_data["reason"],
                    actor=request.user,
                    now=timezone.now(),
                )
                return redirect("console:approval", asked.pk)
    except ApplicationError as error:
        form.is_valid()
        form.add_error(None, error.message)
        status = status_of(error)
    context = {"config": config, "template": chosen, "rows": rows, "form": form}
    return page(request, "console/parameters_template.html", context, status=status)


def _config(key: int) -> StrategyConfig:
    return get_object_or_404(StrategyConfig.objects.select_related("account", "version__strategy"), pk=key)


def _shown(config: StrategyConfig) -> dict[str, object]:
    in_force = _in_force(config)
    return {
        "config": config,
        "in_force": in_force,
        "lines": parameter_lines(config.version.strategy.kernel, in_force) if in_force else (),
        "fallback": fallback_of(config),
        "sets": config.parameter_sets.select_related("created_by")[:SETS_SHOWN],
    }


def _in_force(config: StrategyConfig) -> ParameterSet | None:
    try:
        return parameters_in_force(config)
    except NoParameters:
        return None
