from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.console.forms import ParametersForm, parameter_infos
from apps.console.http import StaffRequest, console_page, page, status_of
from apps.core.exceptions import ApplicationError
from apps.trading.models import ParameterSet, StrategyConfig
from apps.trading.selectors import config_list
from apps.trading.services.parameters import NoParameters, parameters_in_force, parameters_propose

SETS_SHOWN = 10


@require_safe
@console_page
def configs(request: StaffRequest) -> HttpResponse:
    """Every armed strategy with the parameters it runs."""
    rows = [_shown(config) for config in config_list()]
    return page(request, "console/parameters.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def propose(request: StaffRequest, key: int) -> HttpResponse:
    """New values for one strategy; they wait for another person before a session uses them."""
    config = get_object_or_404(StrategyConfig.objects.select_related("account", "version__strategy"), pk=key)
    in_force = _in_force(config)
    form = ParametersForm(request.POST or None, config=config, in_force=in_force)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                asked = parameters_propose(
                    config=config,
                    values=form.values(),
                    reason=form.cleaned_data["reason"],
                    actor=request.user,
                    now=timezone.now(),
                )
                return redirect("console:approval", asked.pk)
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    context = {"config": config, "in_force": in_force, "form": form}
    return page(request, "console/parameters_propose.html", context, status=status)


def _shown(config: StrategyConfig) -> dict[str, object]:
    in_force = _in_force(config)
    sets = config.parameter_sets.select_related("created_by")[:SETS_SHOWN]
    return {
        "config": config,
        "in_force": in_force,
        "lines": parameter_infos(config, in_force) if in_force else (),
        "sets": sets,
    }


def _in_force(config: StrategyConfig) -> ParameterSet | None:
    try:
        return parameters_in_force(config)
    except NoParameters:
        return None
