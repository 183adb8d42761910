"""The token: where it comes from, and where it does not show."""

from __future__ import annotations

import copy
import hmac
import os
import pickle
import sys
import traceback
from typing import Any

import pytest

from procwire import Client, authentication
from procwire.authentication import MAX_TOKEN_SIZE, Token, take_token

SECRET = "a-secret-token"


@pytest.fixture(autouse=True)
def no_token_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCWIRE_TOKEN", raising=False)
    monkeypatch.setattr(authentication, "_inherited", None)


def test_no_token() -> None:
    assert take_token(None) is None


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCWIRE_TOKEN", "")
    assert take_token(None) is None


def test_the_environments_is_for_every_client_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROCWIRE_TOKEN", SECRET)
    for _ in range(2):
        token = take_token(None)
        assert token is not None
        assert token.matches(SECRET.encode())
        assert "PROCWIRE_TOKEN" not in os.environ


def test_the_argument_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCWIRE_TOKEN", "another")
    token = take_token(SECRET)
    assert token is not None
    assert token.matches(SECRET.encode())
    assert not token.matches(b"another")
    assert "PROCWIRE_TOKEN" not in os.environ


@pytest.mark.skipif(sys.platform == "win32", reason="the environment is text there")
def test_bytes_that_are_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PROCWIRE_TOKEN", os.fsdecode(b"\xff\xfe"))
    token = take_token(None)
    assert token is not None
    assert token.matches(b"\xff\xfe")


@pytest.mark.parametrize("proof", [b"", b"a", SECRET[:-1].encode(), SECRET.encode() + b"s"])
def test_what_proves_nothing(proof: bytes) -> None:
    assert not Token(SECRET.encode()).matches(proof)


def test_the_comparison_takes_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    assert not Token(b"secret").matches(b"other!")
    assert compared == [(b"other!", b"secret")]


BAD: list[tuple[Any, type[Exception], str]] = [
    ("", ValueError, "auth_token is empty"),
    (b"bytes", TypeError, "auth_token is a text, got bytes"),
    (5, TypeError, "got int"),
    (False, TypeError, "got bool"),
    ("\udcff", ValueError, "lone surrogate"),
    ("x" * (MAX_TOKEN_SIZE + 1), ValueError, f"{MAX_TOKEN_SIZE} bytes at most, got"),
]


@pytest.mark.parametrize(("given", "error", "text"), BAD)
def test_what_is_no_token(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Client(auth_token=given)


def test_the_longest_token() -> None:
    token = take_token("x" * MAX_TOKEN_SIZE)
    assert token is not None
    assert len(token) == MAX_TOKEN_SIZE


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_nothing_shows_it(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    if given == "environment":
        monkeypatch.setenv("PROCWIRE_TOKEN", SECRET)
        client = Client()
    else:
        client = Client(auth_token=SECRET)
    for shown in (repr(client), str(client), repr(vars(client)), f"{client._token}"):
        assert SECRET not in shown
    assert "Token" in repr(vars(client))


def test_no_traceback_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCWIRE_TOKEN", SECRET)
    with pytest.raises(ValueError) as caught:
        Client().handle("a", lambda data: data).event("b").event("b")
    wrong: Any = object()
    with pytest.raises(TypeError) as compared:
        take_token(None).matches(wrong)  # type: ignore[union-attr]
    for error in (caught.value, compared.value):
        shown = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
        # The test's own frame knows nothing of it either.
        assert SECRET not in shown
        assert "self = " in shown


@pytest.mark.parametrize("spread", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_not_spread(spread: Any) -> None:
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        spread(Token(b"secret"))
