"""Hashes that tell whether two runs had the same value of a variable, and not what it was."""

import functools
import hashlib

__all__ = ["value_sha256"]

# About 20 ms: who reads a ledger can try values, and a short secret is found by trying. That cannot be prevented,
# only be made slow; a value of 128 random bits is out of reach anyway.
ROUNDS = 50_000
_LENGTH = 16


@functools.lru_cache(maxsize=1024)
def value_sha256(salt: str, name: str, value: str) -> str:
    """A slow hash of a variable's value, the same within a ledger and another one everywhere else.

    Args:
        salt: The ledger's own: the hash of its first record.
        name: The variable; two of them with one value have two hashes.
        value: What may be a secret.
    """
    salted = f"{salt} {name}".encode("utf-8", "surrogateescape")
    secret = value.encode("utf-8", "surrogateescape")
    return hashlib.pbkdf2_hmac("sha256", secret, salted, ROUNDS).hex()[:_LENGTH]
