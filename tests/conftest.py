"""What holds for every test: no assertion on time, repeatable examples in CI, few threads."""

from __future__ import annotations

import os

# Read by torch when it is first imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "2")

from hypothesis import settings

settings.register_profile("engine", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("engine"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "engine")
