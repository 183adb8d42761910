"""From received bytes to answers for the transport, without a socket: 64 requests at a time."""

from __future__ import annotations

from procwire.codecs import MsgpackCodec

from .worker import FORMS, MAP, PAYLOAD, FedWorker, answered, requests

REQUESTS = 64


class Dispatch:
    params = ([*FORMS, "msgpack"],)
    param_names = ("form",)

    def setup(self, form: str) -> None:
        self.worker = FedWorker()
        payload = MsgpackCodec().encode(MAP) if form == "msgpack" else PAYLOAD
        self.requests = requests(form, REQUESTS, payload)
        transport = self.worker.transport
        transport.keep = True
        self.worker.loop.call_soon(self.worker.feed, self.requests)
        while len(ids := answered_so_far(form, transport.received, payload)) < REQUESTS:
            self.worker.loop.call_soon(self.worker.loop.stop)
            self.worker.loop.run_forever()
        assert sorted(ids) == list(range(1, REQUESTS + 1))
        transport.keep = False
        self.answer_size = transport.size

    def teardown(self, form: str) -> None:
        self.worker.close()

    def time_64_requests(self, form: str) -> None:
        self.worker.exchange(self.requests, self.answer_size)


def answered_so_far(form: str, received: bytearray, payload: bytes) -> list[int]:
    try:
        return answered(form, received, payload)
    except AssertionError:
        # A stream's end is still to come.
        return []
