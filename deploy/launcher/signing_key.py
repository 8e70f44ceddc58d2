"""The key pair for the simulated exchange, made once; the private half is readable by its owner only."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

_BITS = 2048


def ensure_pair(private_path: Path, public_path: Path) -> None:
    """RSA, because that is what the exchange issues (Kalshi docs: API keys)."""
    if private_path.is_file() and public_path.is_file():
        return
    key = generate_private_key(public_exponent=65537, key_size=_BITS)
    private_path.unlink(missing_ok=True)
    with os.fdopen(os.open(private_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    public_path.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
