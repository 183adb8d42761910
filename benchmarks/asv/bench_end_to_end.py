"""Over a real socket, with the parent's end in the same process: its cost is in the figures."""

from __future__ import annotations

from procwire.codecs import MsgpackCodec

from .worker import MAP, PAYLOAD, ConnectedWorker, answered, requests

MIB = 1024 * 1024
CASES = {
    "64 raw": ("coroutine", 64, PAYLOAD),
    "64 raw inline": ("inline", 64, PAYLOAD),
    "64 raw that wait": ("coroutine that waits", 64, PAYLOAD),
    "64 msgpack": ("msgpack", 64, MsgpackCodec().encode(MAP)),
    "one raw": ("coroutine", 1, PAYLOAD),
    "one of 1 MiB": ("coroutine", 1, b"x" * MIB),
}


class EndToEnd:
    params = (list(CASES),)
    param_names = ("requests",)

    def setup(self, name: str) -> None:
        form, count, payload = CASES[name]
        self.worker = ConnectedWorker()
        self.requests = requests(form, count, payload)
        received = self.worker.exchange(self.requests, len(self.requests))
        assert sorted(answered(form, received, payload)) == list(range(1, count + 1))

    def teardown(self, name: str) -> None:
        self.worker.close()

    def time_exchange(self, name: str) -> None:
        self.worker.exchange(self.requests, len(self.requests))
