"""Refusals in the exchange's four body shapes (Kalshi docs: errors, rate limits; shapes as recorded).

A nested `error` object, B flat with Go's decoding message, C bare `msg` for query parameters, D the 429 string.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An HTTP answer that says no: `status` and the JSON `body`."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body

    @property
    def item(self) -> dict[str, str]:
        """The `error` object of one item of a batch."""
        inner = self.body.get("error", self.body)
        return {"code": inner["code"], "message": inner["message"], "details": inner.get("details", "")}


def refused(status: int, code: str, details: str | None = None, message: str | None = None) -> Refusal:
    """Shape A; the message is the code in words unless given."""
    error = {"code": code, "message": message or code.replace("_", " ")}
    if details is not None:
        error["details"] = details
    return Refusal(status, {"error": error})


def undecodable(details: str) -> Refusal:
    """Shape B: the body is not the JSON the request type wants."""
    return Refusal(400, {"code": "bad_request", "message": "bad request", "details": details})


def bad_query(request: str, field: str, tag: str) -> Refusal:
    """Shape C: a query parameter failed the validator `tag`."""
    text = (
        f"Parameter validation failed for {request}: Key: '{request}Params.{field}' "
        f"Error:Field validation for '{field}' failed on the '{tag}' tag"
    )
    return Refusal(400, {"msg": text})


def too_many_requests() -> Refusal:
    """Shape D; no Retry-After and no rate headers come with it."""
    return Refusal(429, {"error": "too many requests"})


def not_found() -> Refusal:
    return refused(404, "not_found")


def invalid_parameters(details: str) -> Refusal:
    return refused(400, "invalid_parameters", details)
