"""The gate in front of a Z-Wave JS server: a credential for each client, a role for each credential, and the policy.

Nothing of aiohttp is imported before a :class:`Gate` is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec_zwave.gate.credentials import Client, Credentials, Issued
from hubsec_zwave.gate.limits import Limits
from hubsec_zwave.gate.probing import BYPASSABLE, Exposure, probe
from hubsec_zwave.gate.seen import Seen

if TYPE_CHECKING:
    from hubsec_zwave.gate.server import Gate

__all__ = ["BYPASSABLE", "Client", "Credentials", "Exposure", "Gate", "Issued", "Limits", "Seen", "probe"]


def __getattr__(name: str) -> object:
    if name != "Gate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hubsec_zwave.gate.server import Gate  # noqa: PLC0415 - loaded when used

    return Gate
