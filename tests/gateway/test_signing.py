"""Signatures: what is signed, both key types, and that secrets stay out of texts."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.gateway.errors import RequestRefused
from apps.gateway.kalshi.signing import PrivateKey, Signer, load_private_key, load_public_key, signed_text, verify
from tests.gateway.conftest import FakeClock

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EDWARDS = Ed25519PrivateKey.generate()


def _pem(key: PrivateKey | ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.mark.parametrize("key", [RSA, EDWARDS], ids=["rsa", "ed25519"])
def test_signed_request_verifies_and_any_change_does_not(key: PrivateKey, clock: FakeClock) -> None:
    headers = Signer("id-1", key, clock).headers("get", "/trade-api/v2/portfolio/orders?limit=5")
    ts, signature = headers["KALSHI-ACCESS-TIMESTAMP"], headers["KALSHI-ACCESS-SIGNATURE"]
    assert headers["KALSHI-ACCESS-KEY"] == "id-1"
    assert ts == str(clock.now_ms())
    public = key.public_key()
    path = "/trade-api/v2/portfolio/orders"
    assert verify(public, ts, "GET", path, signature)
    assert verify(public, ts, "GET", path + "?limit=9", signature)
    assert not verify(public, int(ts) + 1, "GET", path, signature)
    assert not verify(public, ts, "POST", path, signature)
    assert not verify(public, ts, "GET", path + "/x", signature)
    assert not verify(public, ts, "GET", path, signature[:-8] + "AAAAAAA=")
    assert not verify(public, ts, "GET", path, "not base64 !")


def test_signed_text_has_no_separators_and_no_query() -> None:
    assert signed_text(1_700_000_000_000, "delete", "/trade-api/v2/x?y=1") == b"1700000000000DELETE/trade-api/v2/x"


def test_rsa_uses_pss_with_a_salt_as_long_as_the_digest(clock: FakeClock) -> None:
    signature = Signer("id", RSA, clock).headers("GET", "/p")["KALSHI-ACCESS-SIGNATURE"]
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    text = signed_text(clock.now_ms(), "GET", "/p")
    RSA.public_key().verify(base64.b64decode(signature), text, pss, hashes.SHA256())


@pytest.mark.parametrize(
    ("key", "form"),
    [
        (RSA, serialization.PrivateFormat.PKCS8),
        (RSA, serialization.PrivateFormat.TraditionalOpenSSL),
        (EDWARDS, serialization.PrivateFormat.PKCS8),
    ],
)
def test_key_files_of_both_kinds_load(key: PrivateKey, form: serialization.PrivateFormat) -> None:
    assert type(load_private_key(_pem(key, form).decode())) is type(key)


def test_a_wrong_key_is_refused_without_quoting_it() -> None:
    curve = _pem(ec.generate_private_key(ec.SECP256R1()), serialization.PrivateFormat.PKCS8)
    for pem in (b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", curve):
        with pytest.raises(RequestRefused) as refused:
            load_private_key(pem)
        assert "c2VjcmV0" not in str(refused.value)
        assert refused.value.__cause__ is None
    with pytest.raises(RequestRefused):
        load_public_key(b"nonsense")


def test_public_key_file_loads() -> None:
    public = EDWARDS.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert load_public_key(public) == EDWARDS.public_key()


def test_signer_hides_its_key_id(clock: FakeClock) -> None:
    assert "secret-id" not in repr(Signer("secret-id", EDWARDS, clock))
