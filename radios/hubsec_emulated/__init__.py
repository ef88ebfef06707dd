"""Emulated smart-home networks for tests: no hardware, real protocols, hostile neighbours included.

:class:`House` is the entrance for Zigbee. Importing this package loads nothing heavy; the names load when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubsec_emulated.errors import EmulationError
    from hubsec_emulated.house import House

__all__ = ["EmulationError", "House"]


def __getattr__(name: str) -> object:
    if name == "House":
        from hubsec_emulated.house import House  # noqa: PLC0415 - loaded when used

        return House
    if name == "EmulationError":
        from hubsec_emulated.errors import EmulationError  # noqa: PLC0415 - loaded when used

        return EmulationError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
