"""Which code and parameters a session runs, written down as it takes them up: the clock of the promotion ladder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from apps.trading.models import StrategyRun


def runs_note(*, session_id: int, running: Mapping[int, tuple[int, int]], now: datetime) -> None:
    """`running`: config to version and parameter set. Ends what no longer runs and begins what does; safe to repeat."""
    with transaction.atomic():
        for run in StrategyRun.objects.select_for_update().filter(session_id=session_id, ended_at=None):
            if running.get(run.config_id) == (run.version_id, run.parameters_id):
                running = {config: of for config, of in running.items() if config != run.config_id}
            else:
                StrategyRun.objects.filter(pk=run.pk).update(ended_at=now)
        StrategyRun.objects.bulk_create(
            StrategyRun(
                session_id=session_id, config_id=config, version_id=version, parameters_id=parameters, started_at=now
            )
            for config, (version, parameters) in running.items()
        )
