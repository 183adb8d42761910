"""TypeScript from Python: what is written, and what tsc says with the real parent's types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

import msgspec
import pydantic
import pytest

from procwire import Client
from procwire.typescript.module import module_source
from procwire.typescript.types import Types

from ..processes import WINE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = "typed:client"


def types(*arguments: str, cwd: Path = HERE / "workers") -> subprocess.CompletedProcess[str]:
    # Of the tree, when that is under test.
    path = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-m", "procwire", "types", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(WINE, reason="wine does not follow symlinks of Windows")
def test_the_compiler_takes_the_right_calls_and_no_others(tmp_path: Path) -> None:
    written = types(TARGET, "-o", str(tmp_path / "typed.ts"))
    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    for path in (HERE / "types").iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    node = shutil.which("node")
    assert node is not None
    compiler = subprocess.run(
        [node, str(ROOT / "node_modules" / "typescript" / "bin" / "tsc"), "-p", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert compiler.stdout == ""
    assert compiler.returncode == 0


def test_a_stale_file(tmp_path: Path) -> None:
    path = tmp_path / "typed.ts"
    check = (TARGET, "--check", "-o", str(path))
    missing = types(*check)
    assert missing.returncode == 1
    assert f"{path} is stale: python -m procwire types {TARGET} -o {path}" in missing.stderr
    path.write_text(types(TARGET).stdout)
    assert types(*check).returncode == 0
    path.write_text(path.read_text().replace("id: number", "id: string"))
    assert types(*check).returncode == 1
    assert "id: string" in path.read_text()


def test_standard_output_is_the_source_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "größe.py").write_text(
        "from procwire import Client\n"
        "print('loading')\n"
        "client = Client().handle('get', lambda data: data)\n",
        "utf-8",
    )
    # Whatever a terminal takes: redirected, it becomes the same file.
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    written = types("größe", "-o", "größe.ts", cwd=tmp_path)
    assert (written.returncode, written.stdout) == (0, "")
    printed = types("größe", cwd=tmp_path)
    assert (printed.returncode, printed.stderr) == (0, "loading\n")
    assert printed.stdout == (tmp_path / "größe.ts").read_text("utf-8")


def test_wrong_arguments() -> None:
    assert types(TARGET, "--check").returncode == 2
    assert types("typed:nosuch").returncode == 1


class Codec:
    name = "json"

    def encode(self, value: object) -> bytes:
        return b""

    def decode(self, payload: bytes) -> object:
        return None


def test_a_codec_that_the_parent_does_not_have() -> None:
    client = Client().handle("a", lambda data: data, codec=Codec())
    with pytest.raises(ValueError, match="no codec 'json'"):
        module_source(client, "worker:client")


def test_names_that_are_taken() -> None:
    one = msgspec.defstruct("Worker", [("a", int)])
    other = msgspec.defstruct("Worker", [("odd_name", list[int | None])], rename="kebab")
    client = Client().handle("x", lambda data: data, data=one)
    client.handle("y", lambda data: data, data=other)
    source = module_source(client, "my_app.worker:client")
    assert "export interface Worker2 {\n  a: number;\n}" in source
    assert 'export interface Worker3 {\n  "odd-name": Array<number | null>;\n}' in source
    assert 'export function worker(name = "worker"): Worker {' in source


def test_untyped_handlers() -> None:
    client = Client().handle("x", lambda data: data).event("e")
    source = module_source(client, "worker")
    assert "requestCodec: msgpack<unknown>(), responseCodec: msgpack<unknown>()" in source
    assert '.event("e", { codec: msgpack<unknown>() });' in source


def tuple_type(*fields: object, **options: object) -> str:
    """What is written for an array that the parent sends."""
    struct = msgspec.defstruct("Row", fields, array_like=True, **options)  # type: ignore[arg-type]
    return Types().text(struct, "sent")


def test_items_of_tuples_are_labelled_where_all_can_be() -> None:
    assert tuple_type(("old", int), ("new_", int)) == "[old: number, new_: number]"
    for name in ("new", "default", "delete", "enum", "var", "größe"):
        assert tuple_type((name, int), ("b", int)) == "[number, number]"
        assert tuple_type("b", (name, int | None, None)) == "[unknown, (number | null)?]"
    assert tuple_type("a", tag=3, tag_field="kind") == "[kind: 3, a: unknown]"
    assert tuple_type("a", tag=3, tag_field="my-tag") == "[3, unknown]"


def test_only_the_last_items_of_a_tuple_may_be_missing() -> None:
    fields = [("a", int, 1), ("b", int), ("c", int, 1)]
    assert tuple_type(*fields, kw_only=True) == "[a: number, b: number, c?: number]"


class Changed(msgspec.Struct, omit_defaults=True):
    a: int
    b: int | msgspec.UnsetType
    c: str = ""


def test_what_is_omitted_may_be_missing_on_the_way_back() -> None:
    client = Client().handle("x", lambda data: data, data=Changed).event("e", data=Changed)
    source = module_source(client, "worker")
    assert "export interface Changed {\n  a: number;\n  b?: number;\n  c?: string;\n}" in source
    assert "export interface ChangedInput {\n  a: number;\n  b: number;\n  c?: string;\n}" in source


class Person(pydantic.BaseModel):
    city: str = pydantic.Field("", validation_alias=pydantic.AliasPath("places", 0))
    mail: str = pydantic.Field(
        validation_alias=pydantic.AliasChoices(pydantic.AliasPath("mails", 0), "mail", "email")
    )
    places: list[str] = []
    country: str = pydantic.Field("", validation_alias=pydantic.AliasPath("places", 1))


def test_a_model_that_finds_several_fields_in_one_place() -> None:
    client = Client().handle("x", lambda data: data, data=Person)
    source = module_source(client, "worker")
    assert "export interface Person {\n  places?: string[];\n  mail: string;\n}" in source


Numbers = pydantic.RootModel[list[int]]


def test_a_model_without_an_object_around_it() -> None:
    client = Client().handle("x", lambda data: data, data=Numbers).event("e", data=Numbers)
    source = module_source(client, "worker")
    assert "export type RootModellistint = number[];" in source
    assert "export type RootModellistintInput = number[];" in source


class Site(pydantic.BaseModel):
    page: pydantic.HttpUrl
    address: IPv4Address


def test_what_travels_as_text_is_a_string() -> None:
    client = Client().event("e", data=Site)
    source = module_source(client, "worker")
    assert "export interface Site {\n  page: string;\n  address: string;\n}" in source


class Socket:
    pass


def gives_a_socket(data: int) -> Socket:
    return Socket()


def test_a_result_that_no_payload_can_become() -> None:
    source = module_source(Client().handle("x", gives_a_socket), "worker")
    assert "requestCodec: msgpack<number>(), responseCodec: msgpack<unknown>()" in source
