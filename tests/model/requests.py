"""What a request's handler is told to do, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

RESULT = 0x03
ERROR = 0x07
ACK = 0x23
CHUNK = 0x0B
STREAM_END = 0x1B
STREAM_ERROR = 0x0F

TERMINAL = {"result": RESULT, "ack": ACK, "stream": STREAM_END, "none": 0}
FAILURE = {"result": ERROR, "ack": ERROR, "stream": STREAM_ERROR, "none": 0}

# Turns of the loop between an abort and the moment when a waiting coroutine has heard of it: one
# to cancel what it waits for, one to be woken, and one more when its task has just been made.
TURNS_TO_HEAR = 3


@dataclass(frozen=True)
class MethodSpec:
    """One registered method: how its handler is written, and what the parent is told."""

    name: str
    form: str
    kind: str
    takes_context: bool

    @property
    def in_thread(self) -> bool:
        return self.form.startswith("thread")


def _specs() -> list[MethodSpec]:
    forms = {
        "coroutine": ["result", "ack", "stream", "none"],
        "async generator": ["stream"],
        "inline": ["result", "ack", "none"],
        "inline generator": ["stream"],
        "thread": ["result", "ack"],
        "thread generator": ["stream"],
    }
    return [
        MethodSpec(f"{form}, {kind}{', ctx' * takes_context}", form, kind, takes_context)
        for form, kinds in forms.items()
        for kind in kinds
        for takes_context in (False, True)
        # Without a context a coroutine has no way to stream.
        if takes_context or (form, kind) != ("coroutine", "stream")
        # In a thread its methods block, and here is only one.
        if not (takes_context and form.startswith("thread"))
    ]


SPECS = _specs()


@dataclass(frozen=True)
class Program:
    """What one handler does."""

    steps: tuple[tuple[Any, ...], ...]
    ending: str
    # Whether a cancellation is swallowed.
    stubborn: bool
    cleanup: tuple[Any, ...]


def make_program(random: Random, spec: MethodSpec) -> Program:
    waits = spec.form in ("coroutine", "async generator")
    steps = [_make_step(random, spec, waits) for _ in range(random.choice((0, 1, 1, 2, 3, 6)))]
    if spec.form == "async generator" and random.random() < 0.05:
        # More than a source may send before others have their turn.
        steps += [("chunk", 0)] * 70
    endings = ["value", "nothing", "raise", "refuse", "unsendable"]
    if waits:
        endings.append("exit")
        if spec.takes_context:
            endings.append("cancel itself")
    cleanup = _make_wait(random) if waits and random.random() < 0.5 else ("turns", 0)
    return Program(tuple(steps), random.choice(endings), random.random() < 0.2, cleanup)


def _make_wait(random: Random) -> tuple[Any, ...]:
    if random.random() < 0.5:
        return "turns", random.randrange(4)
    return "sleep", random.choice((0.001, 0.1, 0.3))


def _make_step(random: Random, spec: MethodSpec, waits: bool) -> tuple[Any, ...]:
    choices: list[tuple[Any, ...]] = []
    if spec.kind == "stream":
        size = random.choice((0, 0, 10, 200, random.choice((1, 1, 20_000, 70_000))))
        choices += [("chunk", size)] * 4
        if random.random() < 0.1:
            choices.append(("unsendable",))
    if waits:
        choices += [_make_wait(random), _make_wait(random), ("spawn", random.randrange(5))]
        choices += [("timeout", random.choice((0, 0.05, 0.2))), ("emit",)]
        if spec.takes_context:
            choices += [("answer",), ("error",), ("wrong",), ("unsendable",), ("wait_aborted", 0.2)]
    return random.choice(choices or [("turns", 0)])


@dataclass
class Request:
    """One request: what was asked, what has happened, and the frames that must come of it."""

    serial: int
    spec: MethodSpec
    request_id: int
    program: Program
    expected: list[tuple[int, Any]] = field(default_factory=list)
    # A chunk that was yielded when the generator was closed: sent or not.
    possible: tuple[int, Any] | None = None
    started: bool = False
    ended: bool = False
    # The request has had its end, or must not have one any more.
    settled: bool = False
    # The turn in which the abort callback was called, and how often it was.
    aborted_in: int | None = None
    callbacks: int = 0
    # The turn in which the handler's code found out.
    heard_in: int | None = None
    # The parent has sent an abort for it, and the worker has read that while it was under way.
    abort_sent: bool = False
    abort_read: bool = False

    @property
    def aborted(self) -> bool:
        return self.aborted_in is not None or self.heard_in is not None

    def expect(self, flags: int, value: Any) -> None:
        if self.request_id:
            self.expected.append((flags, value))

    def settle(self, flags: int, value: Any = None) -> None:
        """The request's end is due now, unless it has had it, or has been aborted."""
        if not self.settled and not self.aborted:
            self.settled = True
            if flags:
                self.expect(flags, value)
