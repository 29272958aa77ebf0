"""A Python module that runs as a process of its own, and answers a line of JSON with another."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.conformance.server_process import ROOT


class Helper:
    """The process, for as long as an ``async with`` block runs. It is ready once entered."""

    def __init__(self, module: str) -> None:
        self._module = module

    async def __aenter__(self) -> Helper:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module,
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 24,
        )  # fmt: skip
        await self._line()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def ask(self, **question: Any) -> dict[str, Any]:
        """What it answers; raises RuntimeError if it ends instead."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._line())
        return answer

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} has ended by itself")
        return line


def answer_all(answer: Callable[..., dict[str, Any]]) -> None:
    """The process's side: says that it is ready, and answers until nobody asks any more."""
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)
