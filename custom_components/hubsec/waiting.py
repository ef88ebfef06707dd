"""A change of the network key that waits for the guard, as it was last written down.

The hub knows of a change that is under way while it is attached. Where Home Assistant was started anew, and what runs
the network does not come, there is no hub to ask.
"""

from __future__ import annotations

import logging
from pathlib import Path

from hubsec import HubsecError
from hubsec.rotation.shapes import RotationProgress
from hubsec.store import AsyncStore

_LOGGER = logging.getLogger(__name__)


async def waiting_change(home: Path, network_id: str) -> RotationProgress | None:
    """The change of that network's key that has not ended, read from the store in `home` without its key; None where
    there is none, or nothing can be read."""
    try:
        async with AsyncStore(home, read_only=True, require_key=False) as store:
            written = await store.run(lambda blocking: blocking.rotations(network_id), writes=False)
    except (HubsecError, OSError) as error:
        _LOGGER.debug("What stands in %s can't be read: %s", home, error)
        return None
    return next((one for one in written if one.outcome is None), None)
