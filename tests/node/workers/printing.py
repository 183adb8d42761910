"""Prints wherever it can: nothing of it may reach the parent as a control message."""

import os
import subprocess
import sys

# Before the package is there to protect it.
BEFORE = os.environ.get("PRINT_BEFORE", "")
if BEFORE == "line":
    print("a line before the import")
elif BEFORE == "text":
    print("text without an end before the import", end="")
elif BEFORE == "written":
    os.write(1, b"text without an end before the import")

from procwire import Client  # noqa: E402

ERROR = '{"jsonrpc":"2.0","method":"$error","params":{"message":"printed"}}'
INIT = (
    '{"jsonrpc":"2.0","method":"$init","params":'
    '{"pipe":"/nowhere","schema":{"methods":{},"events":{}},"version":"1.0.0"}}'
)
PONG = '{"jsonrpc":"2.0","method":"$pong"}'
if sys.platform == "win32":
    ECHO = [sys.executable, "-c", "import sys; print(sys.argv[1])"]
    CAT = [sys.executable, "-c", "import sys; print(end=sys.stdin.read())"]
    # Wine shows the names that its host has, which are no names of these streams.
    NAMES: list[str] = []
else:
    ECHO, CAT = ["/bin/echo"], ["/bin/cat"]
    NAMES = [
        name for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1") if os.path.exists(name)
    ]


def print_everywhere(where: str) -> None:
    print(f"print {where}")
    for line in (ERROR, INIT, PONG):
        print(line)
        os.write(1, f"{line}\n".encode())
        sys.__stdout__.write(f"{line}\n")  # type: ignore[union-attr]
        sys.stdout.buffer.write(f"{line}\n".encode())
        subprocess.run([*ECHO, line], check=True)
        os.system(f"echo '{line}'")
    subprocess.run(
        [sys.executable, "-c", "import os; print('child'); os.write(1, b'grandchild\\n')"],
        check=True,
    )
    print(f"no end {where}", end="")
    os.write(1, b"no end either ")
    for name in NAMES:
        subprocess.run(["/bin/sh", "-c", f"echo 'by name {where}' >>{name}"], check=True)


print_everywhere("on import")
client = Client()


@client.handle("print")
async def print_in_coroutine(data: str) -> str:
    print_everywhere(data)
    return data


@client.handle("print_in_thread")
def print_in_thread(data: str) -> str:
    print_everywhere(data)
    return data


@client.handle("read")
def read(data: None) -> list[str]:
    child = subprocess.run(CAT, capture_output=True, check=True)
    try:
        asked = input("a question: ")
    except EOFError:
        asked = "EOFError"
    return [sys.stdin.read(), os.read(0, 100).decode(), child.stdout.decode(), asked]


@client.handle("close")
async def close(data: None) -> str:
    """What some libraries do."""
    os.close(1)
    os.close(0)
    sys.stdout = None  # type: ignore[assignment]
    sys.stdin = None  # type: ignore[assignment]
    return "closed"


if __name__ == "__main__":
    print_everywhere("before run")
    client.run(loop=os.environ.get("LOOP", "asyncio"))
    print_everywhere("after run")
