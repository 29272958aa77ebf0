"""CPU of processes, from /proc."""

from __future__ import annotations

import os
import threading
import time

from bench.usage import _cpu_seconds, by_kind, taken


def test_all_threads_of_a_process_are_counted() -> None:
    before, seen = _cpu_seconds(os.getpid()), []

    def work() -> None:
        end_s = time.thread_time() + 0.05
        while time.thread_time() < end_s:
            pass
        seen.append(_cpu_seconds(os.getpid()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0] - before >= 0.04


def test_what_was_taken_is_told_of_processes_that_stayed() -> None:
    before, after = {"worker 0": 1.0, "decoder 0": 2.0}, {"worker 0": 1.5, "decoder 1": 9.0}
    assert taken(before, after) == {"worker 0": 0.5}


def test_processes_of_a_kind_are_added_up() -> None:
    cpu_s = {"supervisor": 0.1, "second_pass 0": 1.0, "second_pass 11": 2.0}
    assert by_kind(cpu_s) == {"supervisor": 0.1, "second_pass": 3.0}
