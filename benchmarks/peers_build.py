"""Builds the load generator and the peers, and says in one word what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
BUILD = HERE / "build"
LOADGEN = BUILD / "loadgen"
C_WORKER = BUILD / "echo_worker"
RUST_WORKER = BUILD / "rust" / "release" / "procwire-bench-worker"
NODE_WORKER = PEERS / "node" / "worker.mjs"
NODE_PARENT = PEERS / "node" / "stream_parent.mjs"
PYTHON_WORKER = PEERS / "python" / "worker.py"
# In a process of its own: what it imports is not to be counted as the other's memory.
PYTHON_TYPED_WORKER = PEERS / "python" / "typed_worker.py"


class BuildError(Exception):
    """Something that this peer needs is not there; the text says what."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(command: list[str], what: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines() or [f"exit {done.returncode}"]
        raise BuildError("\n".join([f"{what} failed: {said[-1]}", *said[-15:-1]]))
    return done.stdout


def compile_c(sources: list[Path], headers: list[Path], output: Path) -> None:
    newest = max(path.stat().st_mtime for path in sources + headers)
    if output.exists() and output.stat().st_mtime > newest:
        return
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BuildError("no C compiler")
    output.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
    include = f"-I{HERE.parent / 'csrc'}"
    command = [*compiler.split(), *flags, include, *map(str, sources), "-o", str(output)]
    run(command, f"compiling {output.name}")


def build_loadgen() -> None:
    folder = HERE / "loadgen"
    headers = [*folder.glob("*.h"), HERE.parent / "csrc" / "procwire_header.h"]
    compile_c(sorted(folder.glob("*.c")), headers, LOADGEN)


def build_c_worker() -> None:
    headers = [HERE.parent / "csrc" / "procwire_header.h"]
    compile_c([PEERS / "c" / "echo_worker.c"], headers, C_WORKER)


def build_node_peer(node: str) -> None:
    if shutil.which(node) is None:
        raise BuildError("no node")
    if (PEERS / "node" / "node_modules" / "@procwire" / "core").is_dir():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("no npm")
    run([npm, "ci", "--prefix", str(PEERS / "node")], "npm ci")


def build_rust_peer() -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        raise BuildError("no cargo")
    manifest = str(PEERS / "rust" / "Cargo.toml")
    run(
        [cargo, "build", "--release", "--quiet", "--manifest-path", manifest],
        "cargo build",
        CARGO_TARGET_DIR=str(BUILD / "rust"),
    )


def check_python(python: str, loop: str) -> None:
    if shutil.which(python) is None:
        raise BuildError("no such interpreter")
    imports = "import procwire" + (", uvloop" if loop == "uvloop" else "")
    # Without the folder that this was called from, which may be the source tree: not built there.
    run([python, "-P", "-c", imports], f"`{imports}`")
