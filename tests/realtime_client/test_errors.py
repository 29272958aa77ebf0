"""realtime_client/errors.py: what a user can tell from an error."""

from __future__ import annotations

import pytest

from realtime_client import errors


def test_all_have_one_base() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) == 7
    assert all(issubclass(kind, errors.RecogniserError) for kind in kinds)


@pytest.mark.parametrize("kind", [errors.Unreachable, errors.ConnectionLost])
def test_a_missing_connection_is_a_connection_error(kind: type[Exception]) -> None:
    assert issubclass(kind, ConnectionError)


def test_they_say_what_they_hold() -> None:
    lost = errors.ConnectionLost("gone", 1500)
    assert lost.finals_until_ms == 1500
    assert str(lost) == "gone; finals have come for the first 1500 ms"
    refused = errors.Refused(503, "full", 2)
    assert (refused.status_code, refused.reason, refused.retry_after_s) == (503, "full", 2)
    assert str(refused) == "refused with HTTP 503: full"
    answer = errors.ServerError("error", "no such thing")
    assert (answer.status, answer.info) == ("error", "no such thing")
    assert str(answer) == "error: no such thing"
