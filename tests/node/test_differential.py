"""Random frames of the npm packages, read and written again by this one."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from procwire import MsgpackCodec
from procwire._core import FrameReader, pack_header

from .test_node import run_node

# A million in the continuous integration.
FRAMES = int(os.environ.get("TEST_DIFFERENTIAL_FRAMES", "50000"))
SEED = os.environ.get("PROCWIRE_DIFFERENTIAL_SEED", str(Random().randrange(2**32)))
PIECE = 200_000


def test_headers_and_values_there_and_back(tmp_path: Path) -> None:
    # Repeats this run.
    print(f"PROCWIRE_DIFFERENTIAL_SEED={SEED}")
    made, back = tmp_path / "made", tmp_path / "back"
    arguments = [SEED, str(FRAMES)]
    run_node(["differential.mjs", "make", *arguments, str(made)], tmp_path)
    random = Random(SEED)
    codec = MsgpackCodec()
    reader = FrameReader()
    with made.open("rb") as frames, back.open("wb") as output:
        while piece := frames.read(random.randrange(1, PIECE)):
            for method_id, flags, request_id, payload in reader.feed(piece):
                again = codec.encode(codec.decode(payload))
                output.write(pack_header(method_id, flags, request_id, len(again)) + again)
    assert reader.at_boundary
    run_node(["differential.mjs", "check", *arguments, str(back)], tmp_path)
