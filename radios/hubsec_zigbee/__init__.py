"""Enforces who may join a Zigbee network, on the zigpy radio libraries that people already run.

    from hubsec import Hub
    from hubsec_zigbee import Bellows

    async with Hub(Bellows("tcp://stick.local:6638")) as hub: ...

Nothing of zigpy or bellows is imported before a :class:`Bellows` is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec.errors import RadioError
from hubsec_zigbee.capabilities import CAPABILITIES, capabilities_of, require

if TYPE_CHECKING:
    from hubsec_zigbee.bellows import Bellows
    from hubsec_zigbee.surveying import Survey, survey

__all__ = [
    "CAPABILITIES",
    "Bellows",
    "NotInstalledError",
    "Survey",
    "capabilities_of",
    "require",
    "survey",
]

_LIBRARIES = {"bellows", "zigpy"}


class NotInstalledError(RadioError, ModuleNotFoundError):
    """The radio library is not installed. `name` is the module that is missing."""

    def __init__(self, name: str) -> None:
        super().__init__(f'hubsec_zigbee needs {name}, which is not installed: pip install "hubsec[zigbee]"')
        self.name = name


def __getattr__(name: str) -> object:
    if name not in ("Bellows", "Survey", "survey"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        # They bring zigpy in, which not everybody needs.
        from hubsec_zigbee import bellows, surveying  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        library = (missing.name or "").partition(".")[0]
        if library not in _LIBRARIES:
            raise
        raise NotInstalledError(library) from missing
    found: object = getattr(bellows if name == "Bellows" else surveying, name)
    return found
