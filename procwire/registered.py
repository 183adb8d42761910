"""A method and an event, as a worker has registered them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from procwire.annotations import FROM_ANNOTATION, UNKNOWN, answer_type, data_type
from procwire.batching import Batch
from procwire.codecs import Codec
from procwire.deadlines import TimeLimit
from procwire.decoders import Wanted, decoder_for
from procwire.handlers import HandlerShape, ResponseKind
from procwire.runners import Where

__all__ = ["EventTypes", "MethodTypes", "Registration"]


@dataclass(frozen=True)
class Registration:
    """A method, as it was registered."""

    function: Callable[..., Any]
    shape: HandlerShape
    request_codec: Codec
    response_codec: Codec
    timeout: float | None
    time_limit: TimeLimit | None
    max_concurrency: int | None
    executor: Where | None
    batch: Batch | None
    data: Any
    validate_result: bool
    # What the worker uses of the codecs, with what its annotations ask for.
    decoder: Codec
    encoder: Codec

    def data_type(self) -> Any:
        """The type of what a request is decoded to; ``UNKNOWN`` when nobody has said.

        Raises:
            NameError: the annotation has names that are not defined (yet).
        """
        if self.data is not FROM_ANNOTATION:
            return self.data
        return data_type(self.function, batch=self.batch is not None)

    def answer_type(self) -> Any:
        """The type of an answer, or of a chunk; ``UNKNOWN`` when nobody has said.

        Raises:
            NameError: the annotation has names that are not defined (yet).
        """
        return answer_type(
            self.function,
            self.shape.response,
            takes_context=self.shape.takes_context,
            batch=self.batch is not None,
        )

    def typed(self, *, nil_as_missing: bool) -> Self:
        """The same with what its annotations ask for.

        Raises:
            NameError: an annotation has names that are not defined (yet).
            TypeError, ValueError, ImportError: see :meth:`Client.handle`.
        """
        wanted = Wanted(self.data_type(), self.request_codec, nil_as_missing)
        decoder, encoder = decoder_for(wanted), self.response_codec
        if self.validate_result:
            answer = self.answer_type()
            if answer in (UNKNOWN, Any, object):
                raise ValueError("validate_result needs a return annotation that says what it is")
            # Most workers have no use for it.
            from procwire.typed import checked

            encoder = checked(Wanted(answer, encoder))
        return replace(self, decoder=decoder, encoder=encoder)


@dataclass(frozen=True)
class MethodTypes:
    """What a method takes and gives, for those who write it down."""

    data: Any
    answer: Any
    request_codec: Codec
    response_codec: Codec
    response: ResponseKind


@dataclass(frozen=True)
class EventTypes:
    """What an event carries."""

    data: Any
    codec: Codec
