"""What the tests of this folder share with those of the protocol."""

from tests.conformance.conftest import certificate

__all__ = ["certificate"]
