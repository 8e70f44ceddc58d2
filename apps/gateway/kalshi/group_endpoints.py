"""Order groups, the exchange's own brake on us (Kalshi docs: order groups).

A group cancels its orders and takes no new ones once more than its limit has matched within a rolling 15 s, or when it
is triggered by hand. It belongs to one shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.gateway.errors import IdentityMismatch, RequestRefused
from apps.gateway.kalshi import bodies as b
from apps.gateway.kalshi import portfolio_models as p
from apps.gateway.kalshi.transport import Call, RestTransport

GROUPS = "/portfolio/order_groups"
ONE_GROUP = GROUPS + "/:group"


class GroupEndpoints(RestTransport):
    """Triggers and deletions may use the tokens that trading cannot."""

    async def order_groups(self) -> Sequence[p.OrderGroup]:
        return (await self.call(b.OrderGroupList, Call("GET", GROUPS))).order_groups or ()

    async def order_group(self, group_id: str) -> p.OrderGroupDetail:
        return await self.call(p.OrderGroupDetail, Call("GET", ONE_GROUP, {"group": group_id}))

    async def create_order_group(self, contracts_limit: int, *, exchange_index: int = 0) -> str:
        """`contracts_limit` whole contracts per rolling 15 s; returns the group's id."""
        body = {"contracts_limit": _limit(contracts_limit), "exchange_index": exchange_index}
        reply = await self.call(p.OrderGroupCreated, Call("POST", GROUPS + "/create", body=body))
        if reply.exchange_index not in (None, exchange_index):
            raise IdentityMismatch(f"group for shard {exchange_index}: the reply is about shard {reply.exchange_index}")
        return reply.order_group_id

    async def limit_order_group(self, group_id: str, contracts_limit: int) -> None:
        """Triggers at once when more than the new limit has matched in the current window."""
        await self._group("PUT", "/limit", group_id, body={"contracts_limit": _limit(contracts_limit)})

    async def trigger_order_group(self, group_id: str) -> None:
        """Cancel the group's orders and block new ones until it is reset. Harmless when repeated."""
        await self._group("PUT", "/trigger", group_id, body={}, priority=True)

    async def reset_order_group(self, group_id: str) -> None:
        await self._group("PUT", "/reset", group_id, body={})

    async def delete_order_group(self, group_id: str) -> None:
        """Cancels the group's orders as well."""
        await self._group("DELETE", "", group_id, priority=True)

    async def _group(
        self, method: str, action: str, group_id: str, *, body: dict[str, Any] | None = None, priority: bool = False
    ) -> None:
        await self.call(b.Empty, Call(method, ONE_GROUP + action, {"group": group_id}, body=body, priority=priority))


def _limit(contracts_limit: int) -> int:
    if contracts_limit <= 0:
        raise RequestRefused(f"contracts_limit {contracts_limit} is not above zero")
    return contracts_limit
