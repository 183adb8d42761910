"""The token: what a parent must prove before anything else that it sends is looked at."""

from __future__ import annotations

import os
from typing import NoReturn

from procwire._core import wipe_variable

__all__ = ["MAX_TOKEN_SIZE", "TOKEN_VARIABLE", "Token", "take_token"]

TOKEN_VARIABLE = "PROCWIRE_TOKEN"
MAX_TOKEN_SIZE = 32 * 1024
"""Bytes. Every stranger may send as much, so it bounds what a stranger can make us keep."""


class Token:
    """A secret that shows itself nowhere: not in a repr, so not in a log or a traceback either."""

    __slots__ = ("_equal", "_secret")

    def __init__(self, secret: bytes) -> None:
        # Imported for those who need it: it brings a cryptographic library along.
        import hmac

        self._equal = hmac.compare_digest
        self._secret = secret

    def __repr__(self) -> str:
        return "<procwire.Token>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token cannot be pickled or copied")

    def __len__(self) -> int:
        return len(self._secret)

    def matches(self, proof: bytes) -> bool:
        """Compare in a time that tells nothing about where the two differ."""
        return self._equal(proof, self._secret)


_inherited: Token | None = None


def take_token(given: str | None) -> Token | None:
    """The token: ``given``, or else the parent's from the environment, which is emptied of it.

    The environment's is remembered for the next client of this process, which would otherwise
    let everybody in.

    Raises:
        TypeError: the token is no text.
        ValueError: it is empty, too long, or not to be written as UTF-8.
    """
    global _inherited
    text = os.environ.get(TOKEN_VARIABLE)
    wipe_variable(TOKEN_VARIABLE.encode())
    os.environ.pop(TOKEN_VARIABLE, None)
    if text:
        _inherited = _make(os.fsencode(text))
    if given is None:
        return _inherited
    if not isinstance(given, str):
        raise TypeError(f"auth_token is a text, got {type(given).__qualname__}")
    if not given:
        raise ValueError("auth_token is empty; leave it out to ask for no token")
    if any("\ud800" <= character <= "\udfff" for character in given):
        raise ValueError("auth_token has a lone surrogate, which UTF-8 cannot carry")
    return _make(given.encode())


def _make(secret: bytes) -> Token:
    if len(secret) > MAX_TOKEN_SIZE:
        raise ValueError(f"a token has {MAX_TOKEN_SIZE} bytes at most, got {len(secret)}")
    return Token(secret)
