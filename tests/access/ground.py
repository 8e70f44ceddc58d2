"""One of nearly everything, so that pages of objects have an object."""

from __future__ import annotations

from apps.governance.services import audit_record, system_event_record
from apps.risk.models import KillRun, TradingState
from tests import factories as make
from tests.factories import NOW


def make_ground() -> None:
    market, account = make.market(), make.account()
    session, config = make.session(account), make.config(account)
    parameters = make.parameters(config)
    decision = make.decision(session, market=market, config=config, parameters=parameters)
    order = make.order(session, market=market, config=config, parameters=parameters, decision=decision)
    make.order_event(order)
    make.fill(order)
    make.position(account, market=market)
    make.cash_entry(account)
    make.liquidity(session, market=market)
    make.book_snapshot(market)
    make.feed()
    audit_record(actor=None, actor_label="system:test", action="test.row.make", obj_type="test.Row", obj_id=1, now=NOW)
    system_event_record(code="TEST", severity="info", source="test", message="a test", now=NOW)
    KillRun.objects.create(scope="global", reason="drill", pressed_at=NOW)
    TradingState.objects.create(scope="account", scope_id="main", state="halted", changed_at=NOW)
