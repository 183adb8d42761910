"""What is told of exceptions, the nastiest included; and what the log gets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from procwire import HandlerError, MsgpackCodec, RequestFilter
from procwire.failures import (
    MAX_TRACEBACK,
    describe,
    error_value,
    explain_start,
    log_failure,
    reductions,
)
from procwire.logs import current_method, current_request_id


class Silent(Exception):
    """Its text ends whoever wants it."""

    def __str__(self) -> str:
        raise SystemExit("no text for you")


class Forgetful(HandlerError):
    def __init__(self) -> None:
        """Does not call the base class's."""


class Telling(HandlerError):
    def to_payload(self) -> dict[str, Any]:
        return {"message": "file \udcff", "more": 1}


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Silent(), "Silent (whose text cannot be made)"),
        (ValueError("file \udcff"), "file \\udcff"),
        (KeyError("a"), "KeyError: 'a'"),
        (SystemExit(), "SystemExit"),
        (BaseExceptionGroup("some", [KeyboardInterrupt()]), "some (1 sub-exception)"),
    ],
)
def test_one_text(error: BaseException, text: str) -> None:
    assert describe(error) == text
    assert error_value(error) == text


@pytest.mark.parametrize(
    ("error", "value"),
    [
        (HandlerError("bad", code=1, a=2), {"message": "bad", "code": 1, "a": 2}),
        (HandlerError("file \udcff", code="E"), {"message": "file \\udcff", "code": "E"}),
        (HandlerError(ValueError("inner")), {"message": "inner"}),  # type: ignore[arg-type]
        (Telling(""), {"message": "file \\udcff", "more": 1}),
        (Forgetful(), "Forgetful"),
    ],
)
def test_handler_errors(error: HandlerError, value: object) -> None:
    for options in ({}, {"with_name": True}, {"with_traceback": True}):
        told = error_value(error, **options)
        assert (told if isinstance(value, dict) or not options else told["message"]) == value  # type: ignore[index]


def test_details_are_told_on_request_only() -> None:
    error = raised(ValueError("oops"))
    assert error_value(error) == "oops"
    assert error_value(error, with_name=True) == {"message": "oops", "name": "ValueError"}
    told = error_value(error, with_name=True, with_traceback=True)
    assert isinstance(told, dict)
    assert told["name"] == "ValueError"
    assert told["traceback"].startswith("Traceback (most recent call last)")
    assert told["traceback"].endswith("ValueError: oops\n")


def test_a_long_traceback_is_told_from_its_end() -> None:
    told = error_value(raised(ValueError("x" * 100_000 + "the end")), with_traceback=True)
    assert isinstance(told, dict)
    assert len(told["traceback"]) == MAX_TRACEBACK + 1
    assert told["traceback"].endswith("the end\n")


def test_a_traceback_that_cannot_be_made() -> None:
    class Noted(Exception):
        @property
        def __notes__(self) -> list[str]:
            raise SystemExit

    told = error_value(raised(Noted()), with_traceback=True)
    assert isinstance(told, dict)
    assert told["traceback"] == "(a traceback that cannot be made)"


def test_why_a_start_failed() -> None:
    error = RuntimeError("no model")
    error.__cause__ = ExceptionGroup("several", [OSError("a"), KeyError("b")])
    assert explain_start(error) == (
        "RuntimeError: no model; caused by ExceptionGroup: several (2 sub-exceptions); "
        "in it OSError: a; in it KeyError: 'b'"
    )
    error.__cause__ = error
    assert explain_start(error).count("no model") == 8


def sendable(value: object, limit: int) -> bool:
    try:
        return len(MsgpackCodec().encode(value)) <= limit
    except Exception:
        return False


@pytest.mark.parametrize("limit", [1, 5, 6, 100, 2000, 5000, 1 << 30])
@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000,
        "\U0001f600" * 10_000,
        {"message": "bad", "thing": object()},
        {"message": "x" * 10_000, "code": "E1", "thing": object()},
        {"message": "\U0001f600" * 10_000, "code": 7, "name": "N", "thing": object()},
        {"message": "bad", "code": "C" * 10_000, "thing": object()},
        {"message": "bad", "code": "\udcff", "thing": object()},
        {"message": "bad", "code": 2**60},
        {"message": "file \udcff", "code": "E1"},
        {"message": 5, "thing": object()},
        {"__proto__": 1},
    ],
)
def test_something_can_always_be_sent(value: object, limit: int) -> None:
    assert any(sendable(reduced, limit) for reduced in reductions(value, limit))


def test_the_code_is_kept_when_details_cannot_be_sent() -> None:
    value = {"message": "bad", "code": "E1", "name": "N", "thing": object()}
    sent = [reduced for reduced in reductions(value, 1 << 30) if sendable(reduced, 1 << 30)]
    assert sent[0] == {"message": "bad", "code": "E1", "name": "N"}


def test_a_long_text_leaves_room_for_the_code() -> None:
    value = {"message": "\U0001f600" * 10_000, "code": "E1"}
    first = next(reduced for reduced in reductions(value, 5000) if sendable(reduced, 5000))
    assert isinstance(first, dict)
    assert first["code"] == "E1"
    assert len(first["message"]) > 600


# ---- the log -------------------------------------------------------------------------------------


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("procwire.requests")
    yield logger
    logger.filters.clear()


def test_a_log_that_fails_is_nobodys_error(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_record: logging.LogRecord) -> bool:
        raise SystemExit

    logger.addFilter(refuse)
    log_failure("method", 1, ValueError())
    assert capsys.readouterr().err == "procwire: logging failed with SystemExit\n"


def test_what_the_log_says(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_failure("greet", 7, raised(ValueError("oops")))
    log_failure("greet", 8, HandlerError("not you"))
    log_failure("greet", 9, HandlerError("nobody"), told=False)
    failed, told, untold = caplog.records
    assert (failed.name, failed.levelname) == ("procwire.requests", "ERROR")
    assert failed.getMessage() == "'greet' failed on request #7"
    assert failed.exc_info is not None
    assert (failed.method, failed.request_id) == ("greet", 7)  # type: ignore[attr-defined]
    assert told.levelname == "INFO"
    assert told.exc_info is None
    assert untold.levelname == "WARNING"
    assert untold.getMessage() == "'greet' failed on request #9, whose caller is not told: nobody"


def test_the_package_is_quiet_and_configures_nothing() -> None:
    (handler,) = logging.getLogger("procwire").handlers
    assert type(handler) is logging.NullHandler
    for name in ("requests", "connection", "lifespan"):
        assert not logging.getLogger(f"procwire.{name}").handlers


def test_the_filter_names_the_request() -> None:
    record = logging.makeLogRecord({})
    assert RequestFilter().filter(record)
    assert vars(record)["method"] == vars(record)["request_id"] == "-"
    tokens = current_method.set("greet"), current_request_id.set(0)
    try:
        record = logging.makeLogRecord({})
        RequestFilter().filter(record)
        assert (vars(record)["method"], vars(record)["request_id"]) == ("greet", 0)
        # What a record says itself stands.
        record = logging.makeLogRecord({"method": "other", "request_id": 5})
        RequestFilter().filter(record)
        assert (vars(record)["method"], vars(record)["request_id"]) == ("other", 5)
    finally:
        current_method.reset(tokens[0])
        current_request_id.reset(tokens[1])
