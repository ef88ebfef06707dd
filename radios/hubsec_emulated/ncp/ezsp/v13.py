"""EZSP version 13 (EmberZNet 7.4) where it differs from version 14, and what version 14 added.

The layout of version 13 puts the status last in many places and has three widths of it: see
:mod:`hubsec_emulated.ncp.ezsp.status`.
"""

COMMANDS = """
0015 setManufacturerCode code:u16 ->
0016 setPowerDescriptor descriptor:u16 ->
0020 leaveNetwork -> status:status
0034 sendUnicast type:u8 destination:u16 aps:aps tag:u8 message:bytes -> status:status sequence:u8
0036 sendBroadcast destination:u16 aps:aps radius:u8 tag:u8 message:bytes -> status:status sequence:u8
0037 proxyBroadcast alias:u16 destination:u16 nwk_sequence:u8 aps:aps radius:u8 tag:u8 message:bytes \
-> status:status sequence:u8
0038 sendMulticast aps:aps hops:u8 nonmember_radius:u8 tag:u8 message:bytes -> status:status sequence:u8
003A sendMulticastWithAlias aps:aps hops:u8 nonmember_radius:u8 alias:u16 nwk_sequence:u8 tag:u8 message:bytes \
-> status:status sequence:u8
003F messageSentHandler type:u8 destination:u16 aps:aps tag:u8 status:status message:bytes
0045 incomingMessageHandler type:u8 aps:aps lqi:u8 rssi:i8 sender:u16 binding:u8 address:u8 message:bytes
005C setAddressTableRemoteEui64 index:u8 eui64:eui64 -> status:status
005D setAddressTableRemoteNodeId index:u8 node:u16 ->
005E getAddressTableRemoteEui64 index:u8 -> eui64:eui64
005F getAddressTableRemoteNodeId index:u8 -> node:u16
0060 lookupNodeIdByEui64 eui64:eui64 -> node:u16
0062 incomingSenderEui64Handler eui64:eui64
007E setExtendedTimeout eui64:eui64 extended:bool ->
007F getExtendedTimeout eui64:eui64 -> extended:bool
010C getApsKeyInfo context:key_context -> eui64:eui64 metadata:key_metadata status:sl
010D exportLinkKeyByEui eui64:eui64 -> key:key index:u8 metadata:key_metadata status:sl
010F exportLinkKeyByIndex index:u8 -> eui64:eui64 key:key metadata:key_metadata status:sl
0112 exportTransientKeyByIndex index:u8 -> context:key_context key:key metadata:key_metadata status:sl
0113 exportTransientKeyByEui eui64:eui64 -> context:key_context key:key metadata:key_metadata status:sl
0114 exportKey context:key_context -> key:key status:sl
0115 importKey context:key_context key:key -> status:sl
"""

REMOVED = ("setAddressTableInfo", "getAddressTableInfo")
