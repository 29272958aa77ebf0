"""Root file systems in layers, as an image has them: one overlay directory per instruction.

Needs root and overlayfs. Everything lies under one folder, and what is mounted there is unmounted
when its `with` block ends. The size of a layer is what its directory holds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Layers = tuple[Path, ...]
"""Directories, the lowest first."""

_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_HOST_FILES: Final = (Path("/etc/resolv.conf"), Path("/etc/hosts"))
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Root:
    """A mounted root, and the layer that takes what is written (none: read-only)."""

    path: Path
    layer: Path | None


class Roots:
    """Makes layers and mounts them under ``folder``."""

    def __init__(self, folder: Path, shown: Sequence[Path] = ()) -> None:
        """``shown`` are paths of this machine that every root sees, read-only, at their place."""
        self._folder = folder
        self._shown = shown

    @contextmanager
    def writable(self, below: Layers, name: str) -> Iterator[Root]:
        """A root over ``below``; what is written becomes the layer ``name`` once it is whole."""
        layer, work, path = (self._folder / f"{name}-{kind}" for kind in ("new", "work", "root"))
        for made in (layer, work, path):
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
        options = f"lowerdir={_lower(below)},upperdir={layer},workdir={work}"
        with self._mounted(path, "-t", "overlay", "overlay", "-o", options):
            yield Root(path, layer)
        shutil.rmtree(work)
        path.rmdir()
        layer.rename(self.layer(name))

    def layer(self, name: str) -> Path:
        """Where the layer of that name is, if it has been made."""
        return self._folder / name

    @contextmanager
    def read_only(self, layers: Layers) -> Iterator[Root]:
        """The finished root, without a layer to write to."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            path = Path(folder)
            options = f"ro,lowerdir={_lower(layers)}"
            with self._mounted(path, "-t", "overlay", "overlay", "-o", options):
                yield Root(path, None)

    @contextmanager
    def devices(self, root: Root) -> Iterator[None]:
        """``/proc``, a ``/dev`` of a few devices, name resolution and the shown paths.

        There is no ``/dev/shm``. What is mounted over is made for as long as that lasts; on a
        read-only root, only what the image has a place for is there.
        """
        with ExitStack() as stack:

            def mounted(target: Path, *arguments: str) -> None:
                stack.enter_context(self._mounted(target, *arguments))

            mounted(root.path / "proc", "-t", "proc", "proc")
            mounted(root.path / "dev", "-t", "tmpfs", "tmpfs", "-o", "mode=755")
            for name in _DEVICES:
                device = root.path / "dev" / name
                device.touch()
                mounted(device, "--bind", f"/dev/{name}")
            for path in (*_HOST_FILES, *self._shown):
                target = root.path / path.relative_to("/")
                if root.layer is not None:
                    stack.enter_context(_place(target, path.is_dir()))
                if target.exists():
                    mounted(target, "--bind", str(path), "-o", "ro")
            yield

    @contextmanager
    def _mounted(self, target: Path, *arguments: str) -> Iterator[None]:
        subprocess.run(["mount", *arguments, str(target)], check=True)  # noqa: S607
        try:
            yield
        finally:
            subprocess.run(["umount", str(target)], check=True)  # noqa: S607


@contextmanager
def _place(target: Path, is_folder: bool) -> Iterator[None]:
    """Something to mount over, with the folders above it, gone again afterwards."""
    made: list[Path] = []
    folder = target if is_folder else target.parent
    while not folder.exists():
        made.append(folder)
        folder = folder.parent
    for folder in reversed(made):
        folder.mkdir()
    if not target.exists():
        target.touch()
        made.insert(0, target)
    try:
        yield
    finally:
        for path in made:
            path.rmdir() if path.is_dir() else path.unlink()


def _lower(layers: Layers) -> str:
    """overlayfs wants the highest first."""
    return ":".join(str(layer) for layer in reversed(layers))


def run_in(root: Root, command: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
    """Runs ``command`` inside, in ``folder``, with nothing of this machine's environment.

    Raises:
        subprocess.CalledProcessError: it ended with another status than 0.
    """
    inside = ["chroot", str(root.path), "/bin/sh", "-c", f'cd "{folder}" && exec "$@"', "sh"]
    subprocess.run([*inside, *command], env=dict(environment), stdin=subprocess.DEVNULL, check=True)


def size_mib(layer: Path) -> float:
    """What the files of a layer hold, in MiB; the blocks of the disk below do not matter."""
    return (
        sum(
            os.lstat(os.path.join(folder, name)).st_size
            for folder, _, names in os.walk(layer)
            for name in names
        )
        / _MIB
    )
