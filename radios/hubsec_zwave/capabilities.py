"""What can be enforced through Z-Wave JS."""

from __future__ import annotations

from typing import Final

from hubsec.radio import Capabilities, Capability, Support

LIBRARY: Final = "zwave-js"

CAPABILITIES: Final = (
    Capabilities(
        library=LIBRARY,
        enforced=True,
        link_key_join=Capability(support=Support.YES, note="S2 by DSK"),
        refuse_default_key=Capability(support=Support.YES, note="S0 and plain inclusion"),
        deferred_approval=Capability(
            support=Support.NO, note="who presses its button while the network is open is on it already"
        ),
        rotation=Capability(
            support=Support.NO,
            note="no command gives a device other keys; hub.reinclude() has each one included anew",
        ),
        forced_remove=Capability(
            support=Support.PARTLY, note="a living device leaves by its own button; a silent one is removed"
        ),
        key_table_read=Capability(support=Support.NO, note="the server does not tell its keys"),
    ),
)
