"""What each zigpy radio library can be made to enforce, as data.

Read from the libraries' sources: bellows 1.2.1, zigpy-znp 1.1.1, zigpy-deconz 1.1.0, zigpy-xbee 0.22.0, zigpy-zigate
0.14.0, zigpy-ziggurat, zigpy-zboss 1.2.0, zigpy-blz 0.1.0. Only what hubsec enforces on today is marked `enforced`; for
the others the table says what refusing costs, and :func:`require` refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hubsec.errors import NotEnforceable
from hubsec.radio import Capabilities, Capability, Support

_YES: Final = Capability(support=Support.YES)


def _yes(note: str) -> Capability:
    return Capability(support=Support.YES, note=note)


def _partly(note: str) -> Capability:
    return Capability(support=Support.PARTLY, note=note)


def _no(note: str = "") -> Capability:
    return Capability(support=Support.NO, note=note)


_ALL: Final = (
    Capabilities(
        library="bellows",
        enforced=True,
        link_key_join=_YES,
        refuse_default_key=_yes("by raw EZSP: no wildcard key is left in the transient key table"),
        deferred_approval=_yes("DEFER_JOINS with unicastCurrentNetworkKey"),
        rotation=_yes("by raw EZSP: the library has the commands and no call for it"),
        forced_remove=_yes("removeDevice, sent to the parent of an end device"),
        key_table_read=_yes("empty where link keys are hashed"),
    ),
    Capabilities(
        library="znp",
        enforced=False,
        link_key_join=_YES,
        refuse_default_key=_partly("for a time: the device's entry is never deleted"),
        deferred_approval=_no("the firmware answers by itself"),
        rotation=_partly("raw ZDO ExtUpdateNwkKey and ExtSwitchNwkKey, unproven on firmware"),
        forced_remove=_partly("raw ExtSecApsRemoveReq only"),
        key_table_read=_yes("from NVRAM"),
    ),
    Capabilities(
        library="deconz",
        enforced=False,
        link_key_join=_partly("opens the network for everybody as well"),
        refuse_default_key=_no(),
        deferred_approval=_no(),
        rotation=_no("the network key is set when forming"),
        forced_remove=_no(),
        key_table_read=_partly("one look-up at a time"),
    ),
    Capabilities(
        library="xbee",
        enforced=False,
        link_key_join=_yes("frame 0x24; does not open the network"),
        refuse_default_key=_no("the default key is known to everybody"),
        deferred_approval=_no(),
        rotation=_no("the network key is write-only"),
        forced_remove=_no(),
        key_table_read=_no("write-only"),
    ),
    Capabilities(
        library="zigate",
        enforced=False,
        link_key_join=_no("the library logs a warning and opens for everybody"),
        refuse_default_key=_no(),
        deferred_approval=_no(),
        rotation=_no("the network key is set when forming"),
        forced_remove=_YES,
        key_table_read=_no(),
    ),
    Capabilities(
        library="ziggurat",
        enforced=False,
        link_key_join=_yes("SetProvisionalKey"),
        refuse_default_key=_no("the default key is taken while a provisional key is set"),
        deferred_approval=_no(),
        rotation=_no("not implemented"),
        forced_remove=_no("not implemented"),
        key_table_read=_YES,
    ),
    Capabilities(
        library="zboss",
        enforced=False,
        link_key_join=_no("raises NotImplementedError"),
        refuse_default_key=_partly("the install code policy is set when forming"),
        deferred_approval=_no(),
        rotation=_partly("raw InitKeySwitchProcedure, unproven on firmware"),
        forced_remove=_no(),
        key_table_read=_yes("from NVRAM"),
    ),
    Capabilities(
        library="blz",
        enforced=False,
        link_key_join=_partly("opens the network for everybody as well"),
        refuse_default_key=_no(),
        deferred_approval=_no(),
        rotation=_no("the network key is set when forming"),
        forced_remove=_no("the library logs a warning"),
        key_table_read=_partly("there is a call for it that nothing uses"),
    ),
)

CAPABILITIES: Final[Mapping[str, Capabilities]] = MappingProxyType({row.library: row for row in _ALL})
"""By library name, as zigpy's radio types are called."""


def capabilities_of(library: str) -> Capabilities:
    """The row of `library`. Raises :class:`~hubsec.errors.NotEnforceable` for one that is not in the table."""
    try:
        return CAPABILITIES[library]
    except KeyError:
        raise NotEnforceable(
            f"Nothing is known of the radio library {library!r}; known are {', '.join(CAPABILITIES)}.",
            capability="library",
        ) from None


def require(library: str, capability: str) -> Capability:
    """What `library` can do of `capability` (a field of :class:`~hubsec.radio.Capabilities`), where hubsec enforces it.

    Raises :class:`~hubsec.errors.NotEnforceable` when the library can't, when hubsec does not enforce on it
    yet, or when there is no such capability: hubsec refuses instead of pretending.
    """
    row = capabilities_of(library)
    held = getattr(row, capability, None)
    if not isinstance(held, Capability):
        raise NotEnforceable(f"There is no capability {capability!r}.", capability=capability)
    if held.support is Support.NO:
        why = f": {held.note}" if held.note else ""
        raise NotEnforceable(f"A {library} radio can't do {capability}{why}.", capability=capability)
    if not row.enforced:
        raise NotEnforceable(f"hubsec does not enforce on a {library} radio yet.", capability=capability)
    return held
