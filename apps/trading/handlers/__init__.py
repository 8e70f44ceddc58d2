"""How approved changes of strategies are carried out, by action."""

from __future__ import annotations

from apps.governance.handlers import ApprovalHandler
from apps.trading.services.ladder import LADDER_WAIVE
from apps.trading.services.parameters import PARAMETERS_CHANGE
from apps.trading.services.strategies import CONFIG_ENABLE, FALLBACK_SWITCH, SCOPE_CHANGE
from apps.trading.services.versions import VERSION_APPROVE

from .configs import ConfigEnableHandler, ScopeChangeHandler, WaiverHandler
from .parameters import FallbackHandler, ParametersChangeHandler
from .versions import VersionApproveHandler

HANDLERS: dict[str, ApprovalHandler] = {
    PARAMETERS_CHANGE: ParametersChangeHandler(),
    FALLBACK_SWITCH: FallbackHandler(),
    VERSION_APPROVE: VersionApproveHandler(),
    SCOPE_CHANGE: ScopeChangeHandler(),
    CONFIG_ENABLE: ConfigEnableHandler(),
    LADDER_WAIVE: WaiverHandler(),
}

__all__ = ["HANDLERS", "PARAMETERS_CHANGE"]
