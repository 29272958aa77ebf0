"""``make eval``: prints one table of what a user gets, and the details behind it.

    python -m bench.eval [--manifest MANIFEST.jsonl] [--limit N] [--output report.json]

docs/EVALUATION.md says what each figure means and how it is measured.
"""

from __future__ import annotations

import json
import signal
import sys

from bench.eval.errors import EvalError
from bench.eval.options import parse_options
from bench.eval.report import evaluate
from bench.eval.tables import details, summary


def main() -> int:
    """Exit status 2 if the evaluation cannot be run as asked."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # stops the server
    try:
        options = parse_options()
        report = evaluate(options)
    except EvalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(summary(report) + "\n", encoding="utf-8")
    print(f"{summary(report)}\n\n{details(report)}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
