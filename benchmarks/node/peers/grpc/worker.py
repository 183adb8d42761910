"""A grpc.aio server; the argument is the path of its socket."""

import asyncio
import sys

import echo_pb2
import echo_pb2_grpc
import grpc.aio

TEXT = "x" * 1000
NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Echo(echo_pb2_grpc.EchoServicer):
    async def EchoRaw(self, request, context):  # noqa: N802
        return request

    async def EchoMap(self, request, context):  # noqa: N802
        return echo_pb2.Item(i=request.i, s=request.s)

    async def Stream(self, request, context):  # noqa: N802
        for i in range(request.count):
            yield echo_pb2.Item(i=i, s=TEXT)


async def main(path: str) -> None:
    server = grpc.aio.server(options=NO_LIMIT)
    echo_pb2_grpc.add_EchoServicer_to_server(Echo(), server)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


asyncio.run(main(sys.argv[1]))
