"""No process lets the garbage collector walk over what it loaded, once it has started."""

from __future__ import annotations

import re

from tests.conformance.server_process import ROOT

STARTS = re.compile(r"\"((?:server|gpu_worker)[\w.]*)\", (?:index|0|\w+\.index)?")


def test_every_process_freezes_what_it_loaded() -> None:
    """Collections over a loaded framework have stalled such servers by tenths of a second."""
    started = {"server.supervisor"}
    for source in ("server/processes.py", "server/engine.py", "server/tiers/linked_engine.py"):
        started |= set(STARTS.findall((ROOT / source).read_text(encoding="utf-8")))
    assert {
        "gpu_worker",
        "gpu_worker.decoder",
        "server.frontend",
        "server.tiers.listener",
    } < started
    assert {"gpu_worker.second_pass", "server.tiers.link_process"} < started
    for module in sorted(started):
        path = ROOT / module.replace(".", "/")
        file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        source = file.read_text(encoding="utf-8")
        assert "gc.collect()" in source, module
        assert source.index("gc.freeze()") > source.index("gc.collect()"), module
