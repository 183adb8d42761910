"""Dates, times and durations on their way out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgpack
import msgspec
import pytest

from .sent import refusal, seen

DURATIONS = [
    timedelta(),
    timedelta(seconds=1),
    timedelta(microseconds=-1),
    timedelta(days=-1, microseconds=1),
    timedelta(days=3),
    timedelta(days=3, seconds=4, microseconds=500_000),
    timedelta.max,
    timedelta.min + timedelta(microseconds=1),
]


@pytest.mark.parametrize("value", DURATIONS, ids=str)
def test_durations_are_what_msgspec_has_and_reads(value: timedelta) -> None:
    assert seen(value) == msgspec.to_builtins(value)
    assert msgspec.convert(seen(value), timedelta) == value


class NotATime(datetime):
    """As pandas.NaT: a datetime by its class, and unequal to itself."""

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


def test_pandas_nat_is_none() -> None:
    assert seen([NotATime(1, 1, 1)]) == [None]


def test_naive_dates_have_a_policy() -> None:
    naive = datetime(2026, 7, 8, 9, 10, 11, 120000)
    assert seen([naive], naive="utc") == [naive.replace(tzinfo=UTC)]
    assert seen(naive, naive="local") == naive.astimezone(UTC)
    assert seen(naive, naive="string") == "2026-07-08T09:10:11.120000"
    # An aware one is what it is.
    aware = naive.replace(tzinfo=timezone(timedelta(hours=2)))
    for policy in ("utc", "local", "string"):
        assert seen(aware, naive=policy) == aware
    assert refusal({"a": naive}).startswith("$.a: a naive datetime")


def test_timestamps_beyond_javascripts_dates_are_refused() -> None:
    last = 8_640_000_000_000
    for good in (msgpack.Timestamp(last, 0), msgpack.Timestamp(-last, 0)):
        assert seen([good]) == [good]
    for bad in (msgpack.Timestamp(last, 1_000_000), msgpack.Timestamp(-last - 1, 0)):
        assert refusal([bad]).startswith("$[0]: Timestamp")
    assert "extension 2 is a date of 8 bytes, got 3" in refusal([msgpack.ExtType(2, b"abc")])
