"""Sets with overrides by category and names that no kernel reads yet: one document, one hash, one approval."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from apps.engine.strategies.params import params_hash
from apps.governance.choices import Direction
from apps.governance.handlers import handler_for
from apps.governance.selectors import approval_rows
from apps.governance.services import approval_edit
from apps.marketdata.models import Series
from apps.trading.exceptions import CodeMismatch
from apps.trading.execution.armed import load_armed
from apps.trading.models import ParameterSet, StrategyConfig
from apps.trading.parameter_templates import TEMPLATES
from apps.trading.services.parameter_sets import (
    BadParameters,
    Document,
    document_changed,
    document_hash,
    document_of,
    document_params,
)
from apps.trading.services.parameters import parameters_in_force, parameters_propose
from apps.trading.strategy_selectors import NOT_READ, Override, effective_lines, parameter_lines
from tests import factories
from tests.factories import NOW
from tests.trading.harness import TICKER, arrange

from .steps import WEATHER, WHY, sign

pytestmark = pytest.mark.django_db
KERNEL = "maker_inside"
Team = dict[str, User]


def base() -> Document:
    return document_of(factories.parameters())


def test_a_plain_set_has_the_engines_own_hash() -> None:
    document = base()
    assert document_hash(KERNEL, document) == params_hash(document_params(KERNEL, document))


@pytest.mark.parametrize(
    "changes", [{"MM_GAMMA": "0.3"}, {"MM_GAMMA_WEATHER": "0.3"}, {"MM_MIN_SPREAD_CENTS_CRYPTO": "3"}]
)
def test_the_hash_covers_overrides_and_stored_names(changes: dict[str, str]) -> None:
    changed = document_changed(KERNEL, base(), changes)
    assert changed.values == base().values
    assert document_hash(KERNEL, changed) != document_hash(KERNEL, base())


def test_an_override_holds_in_its_category_alone_and_inherits_the_rest() -> None:
    changed = document_changed(KERNEL, base(), {"MM_MIN_SPREAD_CENTS_WEATHER": "1", "MAX_POSITION_PER_MARKET": "7"})
    weather, crypto = (document_params(KERNEL, changed, category) for category in (WEATHER, "Crypto"))
    assert (weather.min_spread, crypto.min_spread) == (100, 200)
    assert weather.max_position == crypto.max_position == 700


def test_an_empty_value_takes_an_override_or_a_stored_name_away() -> None:
    changed = document_changed(KERNEL, base(), {"MM_GAMMA_WEATHER": "0.2", "MM_GAMMA": "0.5"})
    assert changed == Document(base().values, {WEATHER: {"MM_GAMMA": "0.2"}}, {"MM_GAMMA": "0.5"})
    assert document_changed(KERNEL, changed, {"MM_GAMMA_WEATHER": "", "MM_GAMMA": ""}) == base()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"MAX_ORDER_DOLLARS": "5"}, "MAX_ORDER_DOLLARS"),
        ({"DAILY_LOSS_HALT": "5"}, "DAILY_LOSS_HALT"),
        ({"NO_SUCH_NAME": "5"}, "NO_SUCH_NAME"),
        ({"KELLY_FRACTION": "0.6"}, "KELLY_FRACTION"),
        ({"max_position": "0"}, "max_position"),
        ({"MM_MIN_SPREAD_CENTS_WEATHER": "0"}, "MM_MIN_SPREAD_CENTS_WEATHER"),
    ],
)
def test_what_cannot_be_is_refused_at_its_name(changes: dict[str, str], field: str) -> None:
    with pytest.raises(BadParameters) as error:
        document_changed(KERNEL, base(), changes)
    assert error.value.extra == {"field": field}


def test_a_category_nobody_knows_is_refused_until_the_exchange_has_it() -> None:
    with pytest.raises(BadParameters, match="no category 'Exotics'"):
        document_changed(KERNEL, base(), {"min_spread": "0.03"}, category="Exotics")
    factories.series("KXCOMBO", category="Exotics")
    changed = document_changed(KERNEL, base(), {"min_spread": "0.03"}, category="Exotics")
    assert changed.overrides == {"Exotics": {"min_spread": "0.0300"}}


def test_an_override_that_contradicts_the_base_is_refused() -> None:
    with pytest.raises(BadParameters):
        document_changed(KERNEL, base(), {"PRICE_SANITY_MIN_WEATHER": "0.995"})


def test_template_a_is_proposed_signed_and_in_force_as_one_set(team: Team, config: StrategyConfig) -> None:
    request = parameters_propose(
        config=config, values=TEMPLATES["A"].changes, reason=WHY, actor=team["scalper"], now=NOW
    )
    changed = {row.label: (row.old, row.new, row.direction) for row in approval_rows(request) if row.old != row.new}
    assert changed == {
        "Min spread (MM_MIN_SPREAD_CENTS)": ("0.0200", "0.0100", Direction.RAISES),
        "MM_GAMMA_WEATHER": ("0.4", "0.2", Direction.RAISES),
    }
    assert all(row.bounds for row in approval_rows(request) if row.old != row.new)
    sign(request, team["craig"])
    in_force = parameters_in_force(config)
    assert in_force.overrides == {WEATHER: {"MM_GAMMA": "0.2"}}
    assert in_force.params_hash == request.params_hash == document_hash(KERNEL, document_of(in_force))


def test_template_d_lowers_risk_and_stores_what_no_kernel_reads(team: Team, config: StrategyConfig) -> None:
    parameters_propose(config=config, values=TEMPLATES["D"].changes, reason=WHY, actor=team["scalper"], now=NOW)
    in_force = parameters_in_force(config)
    assert (in_force.values["max_position"], in_force.stored) == ("5.00", {"KELLY_FRACTION": "0.1"})
    line = next(line for line in parameter_lines(KERNEL, in_force) if line.name == "KELLY_FRACTION")
    assert (line.value, line.reader, line.is_set) == ("0.1", NOT_READ, True)


def test_lines_show_base_override_and_effective_value(config: StrategyConfig) -> None:
    row = parameters_in_force(config)
    row.overrides = {WEATHER: {"min_spread": "0.0100"}}
    row.save()
    line = next(line for line in parameter_lines(KERNEL, row) if line.field == "min_spread")
    assert (line.name, line.value, line.catalog_value) == ("MM_MIN_SPREAD_CENTS", "0.0200", "2 cents")
    assert line.overrides == (Override(WEATHER, "MM_MIN_SPREAD_CENTS_WEATHER", "0.0100"),)
    effective = {line.field: (value, own) for line, value, own in effective_lines(KERNEL, row, WEATHER)}
    assert effective["min_spread"] == ("0.0100", True)
    assert effective["max_position"] == (line_of(row, "max_position"), False)


def line_of(row: ParameterSet, field: str) -> str:
    return str(row.values[field])


def test_an_edited_request_has_the_new_values_and_their_hash(team: Team, config: StrategyConfig) -> None:
    request = parameters_propose(
        config=config, values=TEMPLATES["A"].changes, reason=WHY, actor=team["scalper"], now=NOW
    )
    names = {field.name for field in handler_for(request.action).fields(request.target_id, request.payload)}
    assert {"min_spread", f"{WEATHER}:MM_GAMMA"} <= names
    edited = approval_edit(
        request_id=request.pk, revision=request.revision, values={"min_spread": "0.015", f"{WEATHER}:MM_GAMMA": "0.3"},
        reason=WHY, actor=team["cliff"], now=NOW,
    )  # fmt: skip
    assert edited.payload["overrides"] == {WEATHER: {"MM_GAMMA": "0.3"}}
    assert edited.payload["values"]["min_spread"] == "0.0150"
    assert edited.params_hash == edited.payload["params_hash"] != request.params_hash


def test_a_session_takes_the_override_of_the_markets_category() -> None:
    account = arrange()
    row = ParameterSet.objects.get()
    document = document_changed(KERNEL, document_of(row), {"MM_MIN_SPREAD_CENTS_WEATHER": "7", "MM_GAMMA": "0.3"})
    row.overrides, row.stored, row.params_hash = document.overrides, document.stored, document_hash(KERNEL, document)
    row.save()
    plain = load_armed(account=account, now=NOW)[TICKER].armed
    Series.objects.update(category=WEATHER)
    weather = load_armed(account=account, now=NOW)[TICKER].armed
    assert (plain.params.min_spread, weather.params.min_spread) == (200, 700)
    assert plain.params_hash == weather.params_hash == row.params_hash


@pytest.mark.parametrize(
    "tampered", [{"overrides": {WEATHER: {"min_spread": "0.0100"}}}, {"stored": {"MM_GAMMA": "1"}}]
)
def test_overrides_that_do_not_hash_to_what_was_approved_are_refused(tampered: dict[str, object]) -> None:
    account = arrange()
    ParameterSet.objects.update(**tampered)
    with pytest.raises(CodeMismatch, match="does not hash"):
        load_armed(account=account, now=NOW)


def test_export_is_canonical_json_whose_hash_anybody_can_check(config: StrategyConfig) -> None:
    out = StringIO()
    call_command("parameters_export", "--config", "maker-inside@main", stdout=out)
    text = out.getvalue().strip()
    told = json.loads(text)
    assert text == json.dumps(told, sort_keys=True, separators=(",", ":"))
    values = {"min_spread": 200}
    assert told["params_hash"] == parameters_in_force(config).params_hash
    assert Decimal(told["values"]["min_spread"]) * 10_000 == values["min_spread"]
    assert len(hashlib.sha256(text.encode()).hexdigest()) == 64
    ParameterSet.objects.update(stored={"MM_GAMMA": "1"})
    for wrong in ("maker-inside@main", "99999", "nobody"):
        with pytest.raises(CommandError):
            call_command("parameters_export", "--config", wrong)
