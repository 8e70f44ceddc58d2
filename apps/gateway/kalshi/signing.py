"""Request signatures (Kalshi docs: API keys): timestamp in ms + METHOD + path without host and query."""

from __future__ import annotations

import base64
import binascii
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from apps.gateway.clock import Clock
from apps.gateway.errors import RequestRefused

PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey
PublicKey: TypeAlias = RSAPublicKey | Ed25519PublicKey

KEY_HEADER = "KALSHI-ACCESS-KEY"
TIMESTAMP_HEADER = "KALSHI-ACCESS-TIMESTAMP"
SIGNATURE_HEADER = "KALSHI-ACCESS-SIGNATURE"

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_SHA256 = hashes.SHA256()


def load_private_key(pem: str | bytes) -> PrivateKey:
    """PKCS#8 or PKCS#1 PEM -> RSA or Ed25519 key. Anything else is `RequestRefused`, without quoting it."""
    data = pem.encode() if isinstance(pem, str) else pem
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise RequestRefused("the private key is not an unencrypted PEM key") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise RequestRefused(f"unsupported private key type {type(key).__name__}")
    return key


def load_public_key(pem: str | bytes) -> PublicKey:
    """SubjectPublicKeyInfo PEM -> RSA or Ed25519 public key."""
    data = pem.encode() if isinstance(pem, str) else pem
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise RequestRefused("the public key is not a PEM key") from None
    if not isinstance(key, RSAPublicKey | Ed25519PublicKey):
        raise RequestRefused(f"unsupported public key type {type(key).__name__}")
    return key


def signed_text(ts_ms: int | str, method: str, path: str) -> bytes:
    """What is signed: `1700000000000GET/trade-api/v2/...`; a query, if any, is left out."""
    return f"{ts_ms}{method.upper()}{path.partition('?')[0]}".encode()


def sign(private_key: PrivateKey, text: bytes) -> str:
    """Base64 signature: RSA-PSS (SHA-256, salt 32) or plain Ed25519."""
    if isinstance(private_key, RSAPrivateKey):
        return base64.b64encode(private_key.sign(text, _PSS, _SHA256)).decode()
    return base64.b64encode(private_key.sign(text)).decode()


def verify(public_key: PublicKey, ts_ms: int | str, method: str, path: str, signature: str) -> bool:
    """True when `signature` (base64) is the key's over this request; any malformed input is False."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    text = signed_text(ts_ms, method, path)
    try:
        if isinstance(public_key, RSAPublicKey):
            public_key.verify(raw, text, _PSS, _SHA256)
        else:
            public_key.verify(raw, text)
    except InvalidSignature:
        return False
    return True


class Signer:
    """Makes the three authentication headers. Its repr shows neither key nor key id."""

    __slots__ = ("_clock", "_key_id", "_private_key")

    def __init__(self, key_id: str, private_key: PrivateKey, clock: Clock) -> None:
        self._key_id = key_id
        self._private_key = private_key
        self._clock = clock

    def __repr__(self) -> str:
        return "Signer(<hidden>)"

    def headers(self, method: str, path: str) -> dict[str, str]:
        """Headers for one request now; `path` starts at the root (`/trade-api/v2/...`)."""
        ts_ms = self._clock.now_ms()
        return {
            KEY_HEADER: self._key_id,
            TIMESTAMP_HEADER: str(ts_ms),
            SIGNATURE_HEADER: sign(self._private_key, signed_text(ts_ms, method, path)),
        }
