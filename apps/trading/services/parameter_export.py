from __future__ import annotations

from apps.core.exceptions import Conflict
from apps.governance.digest import canonical_json
from apps.trading.models import StrategyConfig

from .parameter_sets import document_hash, document_of
from .parameters import parameters_in_force


class HashDiffers(Conflict):
    """The stored values do not hash to what was approved; nobody should run them."""

    code = "hash_differs"


def parameters_export(*, config: StrategyConfig) -> str:
    """The set in force with where it belongs and its hash, sorted and without spaces.

    Raises `NoParameters`, `BadParameters`, `HashDiffers`.
    """
    row, version = parameters_in_force(config), config.version
    document = document_of(row)
    if document_hash(version.strategy.kernel, document) != row.params_hash:
        raise HashDiffers(f"Set {row} does not hash to what was approved")
    return canonical_json(
        document.as_json()
        | {
            "strategy": version.strategy.slug,
            "kernel": version.strategy.kernel,
            "code_hash": version.code_hash,
            "account": config.account.name,
            "environment": config.account.environment,
            "number": row.number,
            "params_hash": row.params_hash,
            "approval": row.approval_id,
        }
    )
