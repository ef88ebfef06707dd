"""Houses one after another on the same processes: a start takes seconds, emptying a house takes a tenth of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from hubsec_emulated.zwave.house import ZWaveHouse
from hubsec_emulated.zwave.program import Program, start

TUNABLE: Final = frozenset({"scale", "tx_delay"})
"""Options of a house that running processes can take on."""
LASTING: Final = frozenset({"seed", "keys", "quick"})
"""Options that processes have for as long as they run."""


class Pool:
    """Keeps the processes of the last house for the next one with the same lasting options.

    A house with others (`nodes`, ``server=False``) has processes of its own, which end with it. So do those of a house
    that was left without a server, or with one on other keys.
    """

    def __init__(self) -> None:
        self._kept: Program | None = None
        self._options: Mapping[str, Any] = {}

    @asynccontextmanager
    async def house(self, **options: Any) -> AsyncIterator[ZWaveHouse]:  # noqa: ANN401 - ZWaveHouse's own
        """An open house with these options of :class:`ZWaveHouse`."""
        if not options.keys() <= TUNABLE | LASTING:
            async with ZWaveHouse(**options) as house:
                yield house
            return
        lasting = {name: value for name, value in options.items() if name in LASTING}
        if self._kept is not None and (self._kept.dead or lasting != self._options):
            self._kept.end_now()
            self._kept = None
        if self._kept is None:
            self._kept = await start()
            self._options = lasting
        async with ZWaveHouse(**options, program=self._kept) as house:
            yield house

    def close(self) -> None:
        """End what runs."""
        if self._kept is not None:
            self._kept.end_now()
            self._kept = None
