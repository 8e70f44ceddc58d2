from __future__ import annotations

from django.urls import URLPattern, path

from .views import approvals, cash, kill, manual, markets, mission, orders, parameters, risk, system

app_name = "console"
urlpatterns: list[URLPattern] = [
    path("favicon.ico", system.favicon),
    path("", mission.mission, name="mission"),
    path("kill/", kill.kill, name="kill"),
    path("kill/<int:key>/", kill.kill_run, name="kill-run"),
    path("resume/", kill.resume, name="resume"),
    path("risk/", risk.risk, name="risk"),
    path("switches/", risk.switches, name="switches"),
    path("by-hand/", manual.manual, name="manual"),
    path("by-hand/<int:key>/cancel/", manual.manual_cancel, name="manual-cancel"),
    path("markets/<str:ticker>/", markets.market, name="market"),
    path("orders/", orders.orders, name="orders"),
    path("orders/<str:client_order_id>/", orders.order, name="order"),
    path("fills/", orders.fills, name="fills"),
    path("positions/", cash.positions, name="positions"),
    path("approvals/", approvals.approvals, name="approvals"),
    path("approvals/<int:key>/", approvals.approval, name="approval"),
    path("approvals/<int:key>/withdraw/", approvals.withdraw, name="approval-withdraw"),
    path("parameters/", parameters.configs, name="parameters"),
    path("parameters/<int:key>/", parameters.propose, name="parameters-propose"),
    path("feeds/", system.feeds, name="feeds"),
    path("events/", system.events, name="events"),
    path("exports/", system.exports, name="exports"),
]
