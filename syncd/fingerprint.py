"""Telling whether the account behind a token's name is still the same, without keeping the token."""

import hashlib
import hmac

from syncd.clock import fresh_id


def matches(secret: str, fingerprint: str) -> bool:
    """Whether `fingerprint` was made from this token."""
    salt, _, _ = fingerprint.partition(":")
    return hmac.compare_digest(_make(secret, salt), fingerprint)


def fingerprint_of(secret: str, known: str | None = None) -> str:
    """A salted hash of a token: `known` if that is its hash already, else a new one.

    128 random bits, which a Toggl token is made of, need no slow hash.
    """
    if known is not None and matches(secret, known):
        return known
    return _make(secret, fresh_id())


def _make(secret: str, salt: str) -> str:
    return f"{salt}:{hashlib.blake2b(secret.encode(), key=salt.encode(), digest_size=16).hexdigest()}"
