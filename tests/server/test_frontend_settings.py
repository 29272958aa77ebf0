"""What a frontend inherits."""

from __future__ import annotations

from server.frontend_settings import FrontendSettings


def test_the_sockets_that_there_are_are_inherited() -> None:
    assert FrontendSettings(3, None, None).fds == (3,)
    assert FrontendSettings(3, None, None, operator_fd=4).fds == (3, 4)
    assert FrontendSettings(3, None, None, operator_fd=0).fds == (3, 0)
