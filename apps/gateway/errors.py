"""Errors of the gateway, sorted by what the caller may do next.

GatewayError
|- RequestRefused        our own refusal before anything was sent; fix the request
|- VenueRejected         the venue proved that it did not accept; never sent again as it is
|  |- InvalidRequest, InvalidPrice, InvalidOrder (PostOnlyCross), InsufficientBalance
|  |- OrderAlreadyExists, FokUnfilled, TradingPaused, ExchangePaused, MarketClosed
|  |- NotFound (OrderNotFound: not resting, for whatever reason, a fill included)
|  |- GroupTriggered, GroupNotFound, SelfTrade, DeprecatedEndpoint
|  `- AuthenticationFailed (ClockSkew), Forbidden
|- Retryable             provably without effect; may be asked again with bounded backoff
|  |- ConnectFailed, RateLimited, BudgetExhausted
|  `- ReadFailed         a read that timed out or met a 5xx; reads have no effect
|- OutcomeUnknown        it may have happened; keep the order in flight and reconcile
|  |- ReplyTimeout, ServerFailed, UndecodableReply
|  `- IdentityMismatch   the reply is about another order than the one we sent
|- NotConnected          there is no live socket to send a command on
`- BadMessage            data from outside that cannot be trusted
   |- MalformedFrame, OversizedFrame, UnknownMessage, MissingField, BadField
   `- TruncatedRecording the file ends in the middle; everything before it was yielded
"""

from __future__ import annotations


class GatewayError(Exception):
    """Root of every error the gateway raises."""


class RequestRefused(GatewayError):
    """We refuse to send this request; nothing left the process."""


class VenueRejected(GatewayError):
    """The venue refused. Keeps its words: HTTP `status`, `code`, `message`, `details`; no credentials."""

    def __init__(self, message: str = "", *, status: int | None = None, code: str = "", details: str = "") -> None:
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        parts = [code or "no code", message if message != code else "", details]
        super().__init__(f"HTTP {status}: " + ": ".join(p for p in parts if p))


class InvalidRequest(VenueRejected):
    """The body or a parameter is not what the venue expects."""


class InvalidPrice(VenueRejected):
    """The price is off the market's grid."""


class InvalidOrder(VenueRejected):
    """The order's terms are not acceptable."""


class PostOnlyCross(InvalidOrder):
    """A post-only order would have taken liquidity. The venue may keep a canceled row and the client id."""


class InsufficientBalance(VenueRejected):
    """Too little collateral on the shard of this market."""


class OrderAlreadyExists(VenueRejected):
    """This client_order_id was used before; it never frees up."""


class FokUnfilled(VenueRejected):
    """A fill-or-kill order met too little resting volume; there is no order."""


class TradingPaused(VenueRejected):
    """This market or all trading is paused; cancels still work."""


class ExchangePaused(VenueRejected):
    """The exchange is paused; cancels are refused as well."""


class MarketClosed(VenueRejected):
    """The market no longer takes order operations, cancels included."""


class NotFound(VenueRejected):
    """The venue does not know it."""


class OrderNotFound(NotFound):
    """The order is not resting: unknown, canceled or executed. Resolve through orders and fills."""


class GroupTriggered(VenueRejected):
    """The order's group is triggered: it takes no orders until it is reset."""


class GroupNotFound(VenueRejected):
    """The venue has no such order group; orders need another one."""


class SelfTrade(VenueRejected):
    """The order would have met our own."""


class DeprecatedEndpoint(VenueRejected):
    """The retired V1 order endpoints answer 410."""


class AuthenticationFailed(VenueRejected):
    """Key or signature refused."""


class ClockSkew(AuthenticationFailed):
    """Our timestamp is outside the venue's window; fix the clock."""


class Forbidden(VenueRejected):
    """The key may not do this."""


class Retryable(GatewayError):
    """Provably without effect at the venue."""


class ConnectFailed(Retryable):
    """No connection was made, so nothing was sent."""


class RateLimited(Retryable):
    """HTTP 429: refused before execution, no penalty, the bucket keeps refilling."""


class BudgetExhausted(Retryable):
    """Our own token budget holds the request back; nothing was sent."""


class ReadFailed(Retryable):
    """A read found no answer."""


class OutcomeUnknown(GatewayError):
    """A write was sent and its effect is not known."""


class ReplyTimeout(OutcomeUnknown):
    """No complete reply arrived after the request was sent."""


class ServerFailed(OutcomeUnknown):
    """The venue answered 5xx, or that it does not know, to a write."""


class UndecodableReply(OutcomeUnknown):
    """The reply to a write cannot be read."""


class IdentityMismatch(OutcomeUnknown):
    """The reply names another order than the one we sent."""


class NotConnected(GatewayError):
    """There is no live socket."""


class BadMessage(GatewayError):
    """A body or frame from outside that cannot be trusted."""


class MalformedFrame(BadMessage):
    """Not JSON, or not text."""


class OversizedFrame(BadMessage):
    """Longer than the limit."""


class UnknownMessage(BadMessage):
    """Of a kind this reader has no model for."""


class MissingField(BadMessage):
    """A field we need is absent."""


class BadField(BadMessage):
    """A field has the wrong type or an impossible value."""


class TruncatedRecording(BadMessage):
    """The recording ends in the middle of a line or of its compression."""
