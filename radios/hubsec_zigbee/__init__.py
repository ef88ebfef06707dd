"""Enforces who may join a Zigbee network, on the zigpy radio libraries that people already run.

    from hubsec import Hub
    from hubsec_zigbee import Bellows

    async with Hub(Bellows("tcp://stick.local:6638")) as hub: ...

Nothing of zigpy or bellows is imported before a :class:`Bellows` is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec_zigbee.capabilities import CAPABILITIES, capabilities_of, require

if TYPE_CHECKING:
    from hubsec_zigbee.bellows import Bellows

__all__ = ["CAPABILITIES", "Bellows", "capabilities_of", "require"]


def __getattr__(name: str) -> object:
    if name == "Bellows":
        from hubsec_zigbee.bellows import Bellows  # noqa: PLC0415  # it brings zigpy in, which not everybody needs

        return Bellows
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
