"""Tracing: a middleware continues the trace that the parent has begun, with OpenTelemetry.

A request has no headers: parent and worker agree that the trace's context travels beside the
data, as ``{"traceparent": …, "data": …}``.

Only the API is used, which keeps a trace's identity. To record spans, install
``opentelemetry-sdk`` and set a tracer provider before the client runs, in ``client.on_startup``
for instance.
"""

import logging
from typing import Any

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from procwire import CallNext, Client, Context

client = Client()
tracer = trace.get_tracer("trace_worker")
propagator = TraceContextTextMapPropagator()


@client.middleware
async def traced(data: Any, ctx: Context, call_next: CallNext) -> Any:
    """Run the handler in a span of the caller's trace; without one it begins a trace."""
    carrier = {"traceparent": data.get("traceparent", "")}
    with tracer.start_as_current_span(
        ctx.method,
        context=propagator.extract(carrier),
        kind=trace.SpanKind.SERVER,
        attributes={"rpc.system": "procwire", "rpc.method": ctx.method},
    ):
        # An exception passes through here, and is recorded with the span.
        return await call_next(data["data"])


def trace_id() -> str:
    """The trace that this code runs in, as its id is written everywhere."""
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)


# A payload is more than the data that a handler gets: it stays as the codec decodes it.
@client.handle(data=object)
async def greet(name: str) -> dict[str, str]:
    logging.getLogger(__name__).info("greeting in trace %s", trace_id())
    return {"greeting": f"Hello, {name}", "trace_id": trace_id()}


@client.handle(data=object)
def count(words: str) -> dict[str, object]:
    """In a thread; what it would send to the next service belongs to the same trace."""
    headers: dict[str, str] = {}
    propagator.inject(headers)
    return {"words": len(words.split()), "headers": headers}
