"""What is wrong with a network's key, with its change, and with the records of both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from .choices import plain
from .keys import keys, overdue, trouble, under_way
from .kinds import Issue, Kind, understood
from .network import ProtectedNetwork
from .reinclusions import including

BACKUPS_IN_CLEAR: Final = "backups-in-clear"
"""The gap of a guard whose stack writes every key into its own backups, as `hubsec_zigbee` names it."""
PATIENCE: Final = timedelta(minutes=5)
"""What comes back by itself within that, such as a stack that is reloaded, is nobody's business."""


class KeyIssues:
    """One network's."""

    def __init__(self, network: ProtectedNetwork) -> None:
        self._network = network
        self._halted_since: float | None = None

    @callback
    def wrong(self) -> Iterator[Issue]:
        """What is wrong now."""
        network = self._network
        known = keys(network)
        if known is not None:
            if known.trouble:
                yield Issue(Kind.KEYS_DISAGREE, None, {"problem": plain(known.trouble)})
            elif known.overdue and known.under_way is None:
                reasons = "\n".join(f"- {plain(reason)}" for reason in overdue(network) or ())
                yield Issue(Kind.ROTATION_OVERDUE, None, {"reasons": reasons}, "\n".join(known.overdue))
        if network.stale is not None and network.stale.mendable:
            yield Issue(Kind.STALE_DATABASE, None, {"reason": plain(network.stale.reason)})
        elif network.stale is not None:
            yield Issue(Kind.KEYS_DISAGREE, None, {"problem": plain(network.stale.reason)})
        elif (known is None or not known.trouble) and self._halted:
            yield Issue(Kind.ROTATION_INTERRUPTED, None, self._where_it_stands())
        anew = including(network)
        if anew is not None and anew.standstill:
            yield Issue(Kind.REINCLUSION_HALTED, None, {"problem": plain(anew.standstill)})
        if self._in_clear and not understood(network.entry, Kind.PLAINTEXT_BACKUPS):
            yield Issue(Kind.PLAINTEXT_BACKUPS, None, {})
        if network.broken:
            yield Issue(Kind.AUDIT_BROKEN, None, {"problem": plain(network.broken)})

    @property
    def _in_clear(self) -> bool:
        posture = self._network.posture
        return posture is not None and any(BACKUPS_IN_CLEAR in one.state.gaps for one in posture.networks)

    @property
    def _halted(self) -> bool:
        """Whether a change has not gone on for so long that somebody may have to help."""
        now = dt_util.utcnow().timestamp()
        if not trouble(self._network):
            self._halted_since = None
            return False
        if self._halted_since is None:
            self._halted_since = now
        return now - self._halted_since >= PATIENCE.total_seconds()

    def _where_it_stands(self) -> dict[str, str]:
        progress = under_way(self._network)
        if progress is None:
            return {}
        return {
            "step": progress.step.value,
            "done": str(progress.done),
            "all": str(len(progress.deliveries)),
            "trouble": plain(trouble(self._network)),
        }
