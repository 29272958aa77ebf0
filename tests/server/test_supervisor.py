"""Start-ups that must not succeed, through the real command: one line that says what is right."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from models import BUNDLED_MODEL, ECHO_MODEL
from tests.conformance.server_process import HOST, ServerProcess, refusal_to_start
from tests.conformance.waiting import wait_until

pytestmark = pytest.mark.server


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def copy_of_bundled_model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    for file in BUNDLED_MODEL.iterdir():
        (directory / file.name).symlink_to(file)
    return directory


def cut_short(directory: Path, name: str) -> None:
    """Replaces a file of a model directory by its first part."""
    whole = (directory / name).resolve()
    (directory / name).unlink()
    (directory / name).write_bytes(whole.read_bytes()[:100_000])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--beam-size", "0"), "1 to 2000"),
        (("--model", "/nowhere"), "no model in /nowhere"),
        (("--lm", "/nowhere.arpa"), "/nowhere.arpa"),
        (("--device", "cuda:99"), "use auto or cpu"),
        (("--device", "tpu"), "cuda:N"),
        (("--ssl-cert", str(ECHO_MODEL / "model.json")), "without --ssl-key"),
        (("--host", "host.invalid"), "--host host.invalid"),
    ],
)
def test_an_unusable_setting_is_refused(flags: tuple[str, ...], said: str) -> None:
    assert said in refusal_to_start(*flags)


def test_an_unusable_variable_is_refused() -> None:
    said = refusal_to_start(environment={"INTERMED_PARTIALS": "perhaps"})
    assert "INTERMED_PARTIALS must be True or False" in said


def test_a_language_model_that_is_none_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a language model\n")
    assert "notes.txt: not a KenLM language model" in refusal_to_start("--lm", str(text))


@pytest.mark.parametrize("name", ["model.safetensors", "lm.bin"])
def test_a_model_file_that_is_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    directory = copy_of_bundled_model(tmp_path)
    cut_short(directory, name)
    assert name in refusal_to_start("--model", str(directory))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(ECHO_MODEL, directory)
    declared = (BUNDLED_MODEL / "model.json").read_text().replace('"lm.bin"', "null")
    (directory / "model.json").write_text(
        declared.replace('"left_frames": 80', '"left_frames": 64')
    )
    (directory / "model.safetensors").symlink_to(BUNDLED_MODEL / "model.safetensors")
    assert "does not fit whisper-ctc" in refusal_to_start("--model", str(directory))


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        said = refusal_to_start("--model", str(ECHO_MODEL), "--port", str(port))
    assert f"port {port}" in said
    assert "--port" in said


def test_the_banner_says_where_and_how() -> None:
    with ServerProcess("--model", str(ECHO_MODEL), "--slots", "3", "--beam-size", "50") as server:
        for part in (f"ws://{HOST}:{server.port}", "echo", "device", "50", "3 streams"):
            assert part in server.log
        assert server.stop() == 0


def test_killing_the_supervisor_takes_every_child_along() -> None:
    with ServerProcess("--model", str(ECHO_MODEL), "--slots", "2") as server:
        family = children(server.pid)
        assert len(family) == 3
        server.kill()
        wait_until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "all have ended"
        )
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, server.port))


def test_nothing_is_left_in_dev_shm() -> None:
    before = set(os.listdir("/dev/shm"))
    with ServerProcess("--model", str(ECHO_MODEL), "--slots", "2") as server:
        assert set(os.listdir("/dev/shm")) == before
        server.kill()
    assert set(os.listdir("/dev/shm")) == before
