from __future__ import annotations

import pytest

from tests.emulated.stack.network import Network


@pytest.fixture
def network() -> Network:
    return Network()
