from __future__ import annotations

from apps.core.exceptions import Refused
from apps.governance.choices import Permission as GovernancePermission
from apps.governance.handlers import ApprovalHandler
from apps.trading.models import StrategyConfig


class ConfigHandler(ApprovalHandler):
    """What every change of a strategy's config has in common."""

    target_type = StrategyConfig._meta.label
    propose_permission = GovernancePermission.PROPOSE_CHANGE.full

    def lock(self, target_id: str) -> None:
        if not list(StrategyConfig.objects.select_for_update().filter(pk=target_id)):
            raise Refused("There is no such strategy configuration", code="no_target")

    def environment(self, target_id: str) -> str:
        return config_get(target_id).account.environment


def config_get(target_id: str) -> StrategyConfig:
    """Raises `Refused` when it is gone."""
    found = StrategyConfig.objects.select_related("account", "version__strategy").filter(pk=target_id).first()
    if found is None:
        raise Refused("There is no such strategy configuration", code="no_target")
    return found


def require_keys(payload: dict[str, object], *names: str) -> None:
    if set(payload) != set(names):
        raise Refused(f"This change has {', '.join(names)} and nothing else", code="bad_payload")
