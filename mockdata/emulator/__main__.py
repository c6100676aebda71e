"""``python -m mockdata.emulator``: a practice vault, for this machine only."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from mockdata.emulator.faults import Faults

T = TypeVar("T", int, float)

HOST: Final = "127.0.0.1"
TOKEN: Final = "SKYFLOW_BEARER_TOKEN"  # noqa: S105, the variable's name

SHARES: Final = {
    "throttle": "share of requests to answer with 429 and Retry-After",
    "unavailable": "share of requests to answer with 503",
    "drop-before": "share of requests to cut off before their records are stored",
    "drop-after": "share of requests to cut off after their records are stored",
    "partial": "share of requests to answer with an error for a tenth of the records",
    "slow": "share of requests to answer late, by --slow-seconds",
    "refuse": "share of records (not requests) to refuse every time",
}

NEEDED: Final = ("httptools>=0.6", "msgspec>=0.19", "uvicorn>=0.35")
"""What the extra ``mockdata[emulator]`` installs."""

WITHOUT_FAST: Final = ("latency", "slow-seconds", "retry-after", "retry-after-date", "seed")
"""The further options that ``--fast`` has no use for."""

ROUNDING: Final = 1e-9
"""What shares may be more than 1 by in sum: 0.1 + 0.7 + 0.2 are, for one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if problem := _contradiction(given, parser):
        print(f"mockdata: {problem}", file=sys.stderr)
        return 2
    try:
        import httptools  # noqa: F401
        import uvicorn  # noqa: F401

        import mockdata.emulator.app  # noqa: F401
        from mockdata.emulator.faults import Faults
    except ImportError:
        needed = " ".join(f"'{each}'" for each in NEEDED)
        print(
            f"mockdata: to run the emulator, pip install {needed}, or mockdata[emulator]",
            file=sys.stderr,
        )
        return 2
    names = [item.name for item in fields(Faults) if item.init]
    try:
        listening = socket.create_server((HOST, given.port), backlog=1024)
    except OSError as error:
        print(f"mockdata: port {given.port}: {os.strerror(error.errno or 0)}", file=sys.stderr)
        return 1
    # Small writes go out at once, which asyncio sees to for sockets of its own making alone.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with listening:
        return _serve(
            listening, given.fast, Faults(**{name: getattr(given, name) for name in names})
        )


def _serve(listening: socket.socket, fast: bool, faults: Faults) -> int:  # noqa: FBT001
    import uvicorn

    from mockdata.emulator.app import Emulator
    from mockdata.emulator.protocol import DroppingProtocol

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(f"http://{HOST}:{listening.getsockname()[1]}", flush=True)

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Let a signal end the server first, and only then the process."""
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.handle_exit)
            yield

    app = Emulator(os.environ.get(TOKEN), faults=faults, fast=fast)
    Server(
        uvicorn.Config(
            app,
            http=DroppingProtocol,
            loop="asyncio",  # uvloop accepts one connection a turn: under load the last ones starve
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_level="error",
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    ).run([listening])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mockdata.emulator",
        description="A practice vault: Skyflow's insert endpoint, for this machine only. It takes "
        f"the bearer token in the environment variable {TOKEN}, or any token if that is not set. "
        "GET /stats shows what it has received. A share is a number from 0 to 1.",
    )
    parser.add_argument("--port", type=_whole, default=8080,
                        help="port to listen on, 0 for any free one (default: 8080)")  # fmt: skip
    parser.add_argument("--fast", action="store_true", help="only check and count records")
    parser.add_argument("--latency", type=_seconds, default=0.0, metavar="SECONDS",
                        help="time that every answer takes")  # fmt: skip
    for name, text in SHARES.items():
        parser.add_argument(f"--{name}", type=_share, default=0.0, metavar="SHARE", help=text)
    parser.add_argument("--slow-seconds", type=_seconds, default=5.0, metavar="SECONDS",
                        help="how late a slow answer is (default: 5)")  # fmt: skip
    parser.add_argument("--retry-after", type=_whole, default=1, metavar="SECONDS",
                        help="how long a 429 asks to wait (default: 1)")  # fmt: skip
    parser.add_argument("--retry-after-date", action="store_true",
                        help="ask for the wait as a date")  # fmt: skip
    parser.add_argument("--token-lasts", type=_whole, default=0, metavar="REQUESTS",
                        help="requests until a bearer token expires (default: never)")  # fmt: skip
    parser.add_argument("--seed", type=_whole, default=0, metavar="N",
                        help="seed of the faults (default: 0)")  # fmt: skip
    return parser


def _contradiction(given: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Return one line about options that conflict, or nothing."""
    if given.fast:
        for name in [*SHARES, *WITHOUT_FAST]:
            attribute = name.replace("-", "_")
            if getattr(given, attribute) != parser.get_default(attribute):
                return f"--{name} and --fast cannot be combined: --fast has no faults"
    shares = [name for name in SHARES if name != "refuse"]  # which is one of records
    if sum(getattr(given, name.replace("-", "_")) for name in shares) > 1 + ROUNDING:
        named = ", ".join(f"--{name}" for name in shares)
        return f"the shares of {named} add up to more than 1; a request meets one fault at most"
    return ""


def _share(text: str) -> float:
    return _between(float(text), 1.0)


def _seconds(text: str) -> float:
    return _between(float(text), 3600.0)


def _whole(text: str) -> int:
    return _between(int(text), 65535)


def _between(number: T, most: float) -> T:
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{number} is not between 0 and {most}")
    return number


if __name__ == "__main__":
    sys.exit(main())
