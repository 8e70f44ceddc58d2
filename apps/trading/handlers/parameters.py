from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from apps.core.exceptions import Refused
from apps.engine.strategies.params import describe
from apps.governance.handlers import ChangeRow, EditField
from apps.governance.models import ApprovalRequest
from apps.governance.services import audit_record
from apps.trading.choices import ParameterStatus
from apps.trading.services.parameter_sets import (
    Document,
    document_changed,
    document_checked,
    document_from,
    document_hash,
    document_of,
    document_params,
)
from apps.trading.services.parameters import (
    PARAMETERS_CHANGE,
    parameters_draft,
    parameters_in_force,
    parameters_payload,
    parameters_put_in_force,
)
from apps.trading.services.strategies import FALLBACK_SWITCH, fallback_of

from .base import ConfigHandler, config_get, require_keys
from .rows import UNITS, bounds_of, label_of, rows_of


class ParametersChangeHandler(ConfigHandler):
    """Another parameter set in force. The payload is the whole set with its hash, never only what changes."""

    extra_keys: tuple[str, ...] = ()

    def current(self, target_id: str) -> dict[str, Any]:
        config = config_get(target_id)
        in_force = parameters_in_force(config)
        return document_of(in_force).as_json() | {
            "kernel": config.version.strategy.kernel,
            "code_hash": config.version.code_hash,
            "number": in_force.number,
            "params_hash": in_force.params_hash,
        }

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        require_keys(payload, "values", "overrides", "stored", "params_hash", *self.extra_keys)
        config, document = config_get(target_id), document_from(payload)
        kernel = config.version.strategy.kernel
        if document_checked(kernel, document) != document:
            raise Refused("The proposed values are not complete", code="bad_payload")
        if document_hash(kernel, document) != payload["params_hash"]:
            raise Refused("The proposed values do not match their hash", code="bad_payload")
        if document == document_of(parameters_in_force(config)):
            raise Refused("Nothing would change", code="no_change")
        style, reviewed = document.values.get("execution_mode"), config.version.execution_styles
        if config.version.is_reviewed and style is not None and style not in reviewed:
            raise Refused(
                f"The code was reviewed for {', '.join(reviewed)}, not for {style}", code="style_not_reviewed"
            )

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        return rows_of(current["kernel"], document_from(current), document_from(payload))

    def params_hash(self, target_id: str, payload: dict[str, Any]) -> str:
        return str(payload["params_hash"])

    def base_version(self, current: dict[str, Any]) -> str:
        return f"set #{current['number']}"

    def fields(self, target_id: str, payload: dict[str, Any]) -> list[EditField]:
        kernel, document = config_get(target_id).version.strategy.kernel, document_from(payload)
        base = [
            EditField(i.name, label_of(i.name), i.value, UNITS.get(i.unit, ""), bounds_of(i), i.choices or ())
            for i in describe(document_params(kernel, document))
        ]
        return base + [
            EditField(f"{category}:{name}", label_of(name, category), text)
            for category, part in {**document.overrides, "": document.stored}.items()
            for name, text in part.items()
        ]

    def edited(self, target_id: str, payload: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
        config = config_get(target_id)
        kernel, document = config.version.strategy.kernel, document_from(payload)
        for category, changes in _by_category(values).items():
            document = document_changed(kernel, document, changes, category=category)
        return payload | parameters_payload(kernel, document)

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        config, document = config_get(target_id), document_from(payload)
        before = parameters_in_force(config)
        created = parameters_put_in_force(
            config=config,
            values=document.values,
            overrides=document.overrides,
            stored=document.stored,
            approval=request,
            created_by=request.requester,
            now=now,
        )
        audit_record(
            actor=actor,
            action=PARAMETERS_CHANGE,
            obj_type=self.target_type,
            obj_id=config.pk,
            before=_kept(document_of(before), before.number, before.params_hash),
            after=_kept(document, created.number, created.params_hash)
            | {"approval": request.pk, "requester": request.requester.get_username()},
            reason=request.reason,
            now=now,
        )


class FallbackHandler(ParametersChangeHandler):
    """A second set, signed beforehand: from then on one person may put it in force (`fallback_switch`)."""

    extra_keys = ("code_hash",)

    def current(self, target_id: str) -> dict[str, Any]:
        fallback = fallback_of(config_get(target_id))
        return super().current(target_id) | {"fallback": None if fallback is None else fallback.params_hash}

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        super().validate(target_id, payload)
        if payload["code_hash"] != config_get(target_id).version.code_hash:
            raise Refused("The fallback names other code than the strategy runs", code="bad_payload")

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        config = config_get(target_id)
        row = parameters_draft(config, document_from(payload))
        config.parameter_sets.filter(status=ParameterStatus.FALLBACK).update(status=ParameterStatus.RETIRED)
        row.status, row.approval = ParameterStatus.FALLBACK, request
        row.created_by, row.created_at = request.requester, now
        row.save(force_insert=True)
        audit_record(
            actor=actor,
            action=f"{FALLBACK_SWITCH}.ready",
            obj_type=self.target_type,
            obj_id=config.pk,
            after={"number": row.number, "params_hash": row.params_hash, "approval": request.pk},
            reason=request.reason,
            now=now,
        )


def _by_category(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Names of `fields` back to category and name; the base has names without a colon."""
    found: dict[str, dict[str, str]] = {}
    for name, text in values.items():
        category, _, key = name.rpartition(":")
        found.setdefault(category, {})[key] = text
    return found


def _kept(document: Document, number: int, params_hash: str) -> dict[str, Any]:
    """For the audit trail; a set without overrides and stored names is told without them."""
    parts = {name: part for name, part in document.as_json().items() if part}
    return parts | {"number": number, "params_hash": params_hash}
