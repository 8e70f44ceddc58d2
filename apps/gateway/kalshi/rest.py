"""The REST client: every endpoint we use over one transport."""

from __future__ import annotations

from apps.gateway.kalshi.group_endpoints import GroupEndpoints
from apps.gateway.kalshi.market_endpoints import MarketEndpoints
from apps.gateway.kalshi.order_endpoints import OrderEndpoints
from apps.gateway.kalshi.portfolio_endpoints import PortfolioEndpoints


class KalshiRest(MarketEndpoints, PortfolioEndpoints, OrderEndpoints, GroupEndpoints):
    """`KalshiRest(base_url, signer, budget, clock, client=None, rng=None, timeout_s=10, sleep=...)`.

    `base_url` ends in the API prefix, e.g. `https://external-api.kalshi.com/trade-api/v2`. See `transport`
    for what is repeated (reads) and what never is (writes).
    """
