"""Emulated smart-home networks for tests: no hardware, real protocols, hostile neighbours included.

:class:`House` is the entrance for Zigbee, :class:`ZWaveHouse` for Z-Wave. Importing this package loads nothing heavy;
the names load when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubsec_emulated.errors import EmulationError
    from hubsec_emulated.house import House
    from hubsec_emulated.simulated_loop import SimulatedTimeLoop
    from hubsec_emulated.zwave.house import ZWaveHouse

__all__ = ["EmulationError", "House", "SimulatedTimeLoop", "ZWaveHouse"]


def __getattr__(name: str) -> object:
    if name == "House":
        from hubsec_emulated.house import House  # noqa: PLC0415 - loaded when used

        return House
    if name == "ZWaveHouse":
        from hubsec_emulated.zwave.house import ZWaveHouse  # noqa: PLC0415 - loaded when used

        return ZWaveHouse
    if name == "SimulatedTimeLoop":
        from hubsec_emulated.simulated_loop import SimulatedTimeLoop  # noqa: PLC0415 - loaded when used

        return SimulatedTimeLoop
    if name == "EmulationError":
        from hubsec_emulated.errors import EmulationError  # noqa: PLC0415 - loaded when used

        return EmulationError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
