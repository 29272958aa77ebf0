"""Carries out the Dockerfile's own steps without a container engine, and tries the result.

``python -m deploy.check_image --base ROOT --work FOLDER`` (as root, on Linux with overlayfs). ROOT
is the unpacked base image; ``debootstrap --variant=minbase bookworm ROOT`` makes one that is near
enough.

Every instruction of the stages that the last one needs becomes a layer, and its size is printed. A
layer that FOLDER has already, of the same instruction over the same files, is not made again. Then
the finished image runs as its user, on a read-only root, without any capability, without /dev/shm,
with no place to write to: the health check must pass, the load tester be content, and SIGTERM must
end it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from deploy import context
from deploy.dockerfile import (
    Instruction,
    Stage,
    copied,
    copied_from,
    expand,
    needed,
    pairs,
    stages,
    words,
)
from deploy.roots import Layers, Root, Roots, run_in, size_mib

PROJECT: Final = Path(__file__).parents[1]
PLAIN_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
LEFT_BEHIND: Final = (
    "usr/bin/cc", "usr/bin/c++", "usr/bin/g++", "usr/bin/gcc", "usr/bin/make", "usr/bin/pip3",
    "opt/venv/bin/pip", "opt/pip", "build", "root/.cache",
)  # fmt: skip
"""What has no business in the last stage."""
READY_WITHIN_S: Final = 180
STOPPED_WITHIN_S: Final = 15
"""The compose file's stop_grace_period."""


@dataclass(slots=True)
class Image:
    """What a stage has come to: its layers and what they are called, and the settings.

    ``key`` stands for everything that has gone into it.
    """

    layers: Layers = ()
    key: str = ""
    steps: list[tuple[str, Path]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: dict(PLAIN_ENVIRONMENT))
    folder: str = "/"
    user: str = "0:0"
    entry_point: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)


def main() -> int:
    """Builds, reports, runs. Returns the exit status: 0 if the image does what it should."""
    options = _options()
    arguments = {"VARIANT": options.variant}
    try:
        image = Build(options, arguments).image()
        _report(image)
        return _try(image, options)
    except (FileNotFoundError, ValueError, subprocess.CalledProcessError) as error:
        print(f"check_image: {error}", file=sys.stderr)
        return 1


class Build:
    """Carries out the stages of the Dockerfile."""

    def __init__(self, options: argparse.Namespace, arguments: Mapping[str, str]) -> None:
        self._options = options
        self._arguments = arguments
        self._roots = Roots(options.work, options.show)
        self._rules = context.patterns((PROJECT / ".dockerignore").read_text(encoding="utf-8"))
        self._stages: dict[str, Image] = {}

    def image(self) -> Image:
        """The last stage, finished."""
        dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
        for stage in needed(stages(dockerfile, self._arguments)):
            print(f"stage {stage.name or '(last)'} from {stage.base}", flush=True)
            self._stages[stage.name] = self._finish(stage)
        return self._stages[""]

    def _finish(self, stage: Stage) -> Image:
        below = self._stages.get(stage.base)
        if below is None:  # an image of a registry
            base = self._options.base
            image = Image((base,), _digest(stage.base, str(base)), [(stage.base, base)])
        else:
            image = replace(below, steps=list(below.steps), environment=dict(below.environment))
        known: dict[str, str] = {}
        for instruction in stage.instructions:
            self._carry_out(instruction, image, known)
        return image

    def _carry_out(self, instruction: Instruction, image: Image, known: dict[str, str]) -> None:
        keyword, text = instruction.keyword, instruction.text
        values = {**known, **image.environment}
        if keyword == "ARG":
            known[text] = self._arguments[text]
        elif keyword == "ENV":
            image.environment |= pairs(expand(text, values))
        elif keyword == "WORKDIR":
            image.folder = text
        elif keyword == "USER":
            image.user = text
        elif keyword == "ENTRYPOINT":
            image.entry_point = words(text)
        elif keyword == "CMD":
            image.command = words(text)
        elif keyword == "HEALTHCHECK":
            image.health_check = words(text)
        elif keyword in {"COPY", "RUN"}:
            self._add_layer(instruction, image, values)

    def _add_layer(self, instruction: Instruction, image: Image, values: dict[str, str]) -> None:
        what = f"{instruction.keyword} {instruction.text}"
        print(f"  {what:.90}", flush=True)
        image.key = _digest(image.key, what, image.folder, repr(values), *self._inputs(instruction))
        layer = self._roots.layer(image.key)
        if not layer.exists():
            with self._roots.writable(image.layers, image.key) as root:
                (root.path / image.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
                if instruction.keyword == "RUN":
                    self._run(instruction.text, root, image.folder, values)
                else:
                    self._copy(instruction, root, image.folder)
        image.layers += (layer,)
        image.steps.append((what, layer))

    def _inputs(self, instruction: Instruction) -> Iterator[str]:
        """What else the layer depends on: the files that it copies."""
        if instruction.keyword == "COPY":
            stage = copied_from(instruction)
            if stage:
                yield self._stages[stage].key
            else:
                for source in copied(instruction)[0]:
                    for path in context.files(PROJECT, source, self._rules):
                        yield str(path.relative_to(PROJECT))
                        yield hashlib.sha256(path.read_bytes()).hexdigest()

    def _run(self, command: str, root: Root, folder: str, values: Mapping[str, str]) -> None:
        extra = dict(setting.split("=", 1) for setting in self._options.env)
        with self._roots.devices(root):
            run_in(root, ["/bin/sh", "-c", command], {**values, **extra}, folder)

    def _copy(self, copy: Instruction, root: Root, folder: str) -> None:
        sources, target = copied(copy)
        to = root.path / os.path.join(folder, target).lstrip("/")
        to.mkdir(parents=True, exist_ok=True)
        stage = copied_from(copy)
        if not stage:
            context.copy(PROJECT, sources, to, self._rules)
            return
        with self._roots.read_only(self._stages[stage].layers) as source:
            for path in sources:
                shutil.copytree(
                    source.path / path.lstrip("/"), to, symlinks=True, dirs_exist_ok=True
                )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _report(image: Image) -> None:
    print(f"\n{'MiB':>9}  layer")
    for what, layer in image.steps:
        print(f"{size_mib(layer):9.1f}  {what:.100}")
    print(f"{sum(size_mib(layer) for _, layer in image.steps):9.1f}  all\n", flush=True)


def _try(image: Image, options: argparse.Namespace) -> int:
    """Runs the image as a careful operator would; says what is wrong with it."""
    roots = Roots(options.work)
    port = _free_port()
    environment = image.environment | {
        "REALTIME_ENGINE_HOST": "127.0.0.1",
        "REALTIME_ENGINE_PORT": str(port),
        **dict(setting.split("=", 1) for setting in options.run_env),
    }
    with roots.read_only(image.layers) as root, roots.devices(root):
        left = [path for path in LEFT_BEHIND if (root.path / path).exists()]
        if left:
            print(f"the last stage still has {', '.join(left)}")
            return 1
        server = _start(root, image, [*image.entry_point, *image.command], environment)
        try:
            _wait_until_healthy(root, image, environment, server)
            load = ["loadtest", "--url", f"ws://127.0.0.1:{port}", *options.loadtest.split()]
            status = _start(root, image, load, environment).wait()
        finally:
            server.send_signal(signal.SIGTERM)
            stopped = server.wait(STOPPED_WITHIN_S)
    print(f"loadtest ended with {status}, the server after SIGTERM with {stopped}")
    return status or stopped


def _start(
    root: Root, image: Image, command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """A process as the image's user, without capabilities, and without a way to get any."""
    user, group = image.user.split(":")
    dropped = [
        "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs",
        "--bounding-set=-all", "--inh-caps=-all",
    ]  # fmt: skip
    return subprocess.Popen(
        ["chroot", str(root.path), *dropped, *command],  # noqa: S607
        env=dict(environment),
        stdin=subprocess.DEVNULL,
    )


def _wait_until_healthy(
    root: Root, image: Image, environment: Mapping[str, str], server: subprocess.Popen[bytes]
) -> None:
    deadline_s = time.monotonic() + READY_WITHIN_S
    while _start(root, image, image.health_check, environment).wait() != 0:
        if server.poll() is not None:
            raise ValueError(f"the server ended with status {server.returncode}")
        if time.monotonic() > deadline_s:
            raise ValueError(f"not healthy within {READY_WITHIN_S} s")
        time.sleep(1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.check_image",
        description="Carries out the Dockerfile's steps in a clean root, and tries the result.",
    )
    parser.add_argument("--base", type=Path, required=True, help="the unpacked base image")
    parser.add_argument("--work", type=Path, required=True, help="a folder for the layers")
    parser.add_argument("--variant", choices=("cuda", "cpu"), default="cpu")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for RUN steps, such as PIP_INDEX_URL",
    )
    parser.add_argument(
        "--show", action="append", default=[], type=Path, metavar="PATH",
        help="a path of this machine that RUN steps may read, such as a folder of wheels",
    )  # fmt: skip
    parser.add_argument(
        "--run-env", action="append", default=[], metavar="NAME=VALUE", help="for the server"
    )
    parser.add_argument(
        "--loadtest",
        default="--streams 6 --duration 20",
        metavar="OPTIONS",
        help="of the load tester",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
