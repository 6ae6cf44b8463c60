"""What tests of the Python package share."""

import pytest

import onward.rpc as rpc


@pytest.fixture
def node():
    """A node alone, in this process; it calls itself. Its name."""
    rpc.init_rpc("me", timeout=20)
    yield "me"
    rpc.shutdown()
