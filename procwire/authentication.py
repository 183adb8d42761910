"""The token: what a parent must prove before anything else that it sends is looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

from procwire._core import wipe_variable

__all__ = ["MAX_TOKEN_SIZE", "TOKEN_VARIABLE", "Token", "take_from_environment", "take_token"]

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
    try:
        take_from_environment()
        return _inherited if given is None else _make(given)
    finally:
        # A traceback may show the variables of every frame.
        del given


def take_from_environment() -> None:
    """Remember the parent's token, and leave nothing of it for child processes to inherit.

    Raises:
        ValueError: it is too long.
    """
    global _inherited
    text = os.environ.get(TOKEN_VARIABLE)
    # While the variable is there: afterwards nobody knows where it was.
    wipe_variable(TOKEN_VARIABLE.encode())
    os.environ.pop(TOKEN_VARIABLE, None)
    try:
        if text:
            _inherited = _make(text, os.fsencode)
    finally:
        del text


def _make(text: object, encode: Callable[[str], bytes] = str.encode) -> Token:
    problem: Exception
    if not isinstance(text, str):
        problem = TypeError(f"auth_token is a text, got {type(text).__qualname__}")
    elif not text:
        problem = ValueError("auth_token is empty; leave it out to ask for no token")
    else:
        try:
            secret = encode(text)
        except UnicodeEncodeError:
            problem = ValueError("auth_token has a lone surrogate, which UTF-8 cannot carry")
        else:
            if len(secret) <= MAX_TOKEN_SIZE:
                return Token(secret)
            problem = ValueError(f"a token has {MAX_TOKEN_SIZE} bytes at most, got {len(secret)}")
            del secret
    del text
    raise problem
