"""EZSP version 14 (EmberZNet 8.0): one line per command, ``id name request -> response``; a callback has no ``->``.

Sources: UG100, the protocol definition of the Simplicity SDK; field widths as the hosts in use send and expect them.
"""

COMMANDS = """
0000 version desired:u8 -> protocol:u8 stack_type:u8 stack_version:u16
0001 getLibraryStatus library:u8 -> status:u8
0002 addEndpoint endpoint:u8 profile:u16 device:u16 flags:u8 input_count:u8 output_count:u8 \
inputs:u16*input_count outputs:u16*output_count -> status:ezsp_status
0003 getExtendedValue value_id:u8 characteristics:u32 -> status:ezsp_status value:bytes
0005 nop ->
0006 callback ->
0009 setToken token:u8 data:octets8 -> status:status
000A getToken token:u8 -> status:status data:octets8
000B getMfgToken token:u8 -> data:bytes
000C setMfgToken token:u8 data:bytes -> status:status
0010 setConcentrator on:bool type:u16 min_time:u16 max_time:u16 route_errors:u8 delivery_failures:u8 \
max_hops:u8 -> status:status
0011 setBrokenRouteErrorCode code:u8 -> status:status
0012 debugWrite binary:bool message:bytes -> status:status
0013 getXncpInfo -> status:status manufacturer:u16 version:u16
0015 setManufacturerCode code:u16 -> status:status
0016 setPowerDescriptor descriptor:u16 -> status:status
0017 networkInit bitmask:u16 -> status:status
0018 networkState -> state:u8
0019 stackStatusHandler status:status
001A startScan type:u8 channels:u32 duration:u8 -> status:status
001B networkFoundHandler network:found lqi:u8 rssi:i8
001C scanCompleteHandler channel:u8 status:status
001D stopScan -> status:status
001E formNetwork parameters:network -> status:status
0020 leaveNetwork options:u8 -> status:status
0022 permitJoining duration:u8 -> status:status
0023 childJoinHandler index:u8 joining:bool child:u16 eui64:eui64 type:u8
0024 trustCenterJoinHandler node:u16 eui64:eui64 update:u8 decision:u8 parent:u16
0026 getEui64 -> eui64:eui64
0027 getNodeId -> node:u16
0028 getNetworkParameters -> status:status type:u8 parameters:network
0029 getParentChildParameters -> child_count:u8 parent_eui64:eui64 parent:u16
002A clearBindingTable -> status:status
002B setBinding index:u8 binding:binding -> status:status
002C getBinding index:u8 -> status:status binding:binding
002D deleteBinding index:u8 -> status:status
002E bindingIsActive index:u8 -> active:bool
0033 maximumPayloadLength -> length:u8
0034 sendUnicast type:u8 destination:u16 aps:aps tag:u16 message:bytes -> status:status sequence:u8
0036 sendBroadcast alias:u16 destination:u16 nwk_sequence:u8 aps:aps radius:u8 tag:u16 message:bytes \
-> status:status sequence:u8
0038 sendMulticast aps:aps hops:u8 destination:u16 alias:u16 nwk_sequence:u8 tag:u16 message:bytes \
-> status:status sequence:u8
0039 sendReply destination:u16 aps:aps message:bytes -> status:status
003F messageSentHandler status:status type:u8 destination:u16 aps:aps tag:u16 message:bytes
0041 sendManyToOneRouteRequest type:u16 radius:u8 -> status:status
0045 incomingMessageHandler type:u8 aps:aps sender:u16 eui64:eui64 binding:u8 address:u8 lqi:u8 rssi:i8 \
timestamp:u32 message:bytes
0047 customFrame payload:bytes -> status:status reply:bytes
0048 energyScanResultHandler channel:u8 rssi:i8
0049 getRandomNumber -> status:status value:u16
004A getChildData index:u8 -> status:status child:child
0050 unicastCurrentNetworkKey node:u16 eui64:eui64 parent:u16 -> status:status
0052 getConfigurationValue config:u8 -> status:ezsp_status value:u16
0053 setConfigurationValue config:u8 value:u16 -> status:ezsp_status
0055 setPolicy policy:u8 decision:u8 -> status:ezsp_status
0056 getPolicy policy:u8 -> status:ezsp_status decision:u8
0058 invalidCommand reason:u8 padding:u8 padding2:u16
0059 incomingRouteRecordHandler source:u16 eui64:eui64 lqi:u8 rssi:i8 relays:u16[]
005A setSourceRouteDiscoveryMode mode:u8 -> remaining:u32
005C setAddressTableInfo index:u8 eui64:eui64 node:u16 -> status:status
005E getAddressTableInfo index:u8 -> status:status node:u16 eui64:eui64
0060 lookupNodeIdByEui64 eui64:eui64 -> status:status node:u16
0061 lookupEui64ByNodeId node:u16 -> status:status eui64:eui64
0063 getMulticastTableEntry index:u8 -> status:status entry:multicast
0064 setMulticastTableEntry index:u8 entry:multicast -> status:status
0065 readAndClearCounters -> values:counters
0067 sendTrustCenterLinkKey node:u16 eui64:eui64 -> status:status
0068 setInitialSecurityState state:initial_security -> status:status
0069 getCurrentSecurityState -> status:status state:current_security
006B clearTransientLinkKeys ->
006E switchNetworkKeyHandler sequence:u8
0070 gpSinkTableInit ->
0073 broadcastNextNetworkKey key:key -> status:status
0074 broadcastNetworkKeySwitch -> status:status
0075 findKeyTableEntry eui64:eui64 link_key:bool -> index:u8
0076 eraseKeyTableEntry index:u8 -> status:status
0077 tokenFactoryReset keep_frame_counters:bool keep_boot_counter:bool ->
0079 getNeighbor index:u8 -> status:status neighbor:neighbor
007A neighborCount -> count:u8
007B getRouteTableEntry index:u8 -> status:status route:route
007E setExtendedTimeout eui64:eui64 extended:bool -> status:status
007F getExtendedTimeout eui64:eui64 -> status:status
0080 incomingRouteErrorHandler status:status target:u16
0081 echo data:bytes -> data:bytes
0082 replaceAddressTableEntry index:u8 eui64:eui64 node:u16 extended:bool \
-> status:status old_eui64:eui64 old_node:u16 old_extended:bool
0095 setRadioIeee802154CcaMode mode:u8 -> status:status
0099 setRadioPower power:i8 -> status:status
009B zigbeeKeyEstablishmentHandler eui64:eui64 status:u8
00A8 removeDevice node:u16 eui64:eui64 target:eui64 -> status:status
00A9 unicastNwkKeyUpdate node:u16 eui64:eui64 key:key -> status:status
00AA getValue value_id:u8 -> status:ezsp_status value:bytes
00AB setValue value_id:u8 value:bytes -> status:ezsp_status
00AC setChildData index:u8 child:child -> status:status
00AE setSourceRoute destination:u16 relays:u16[] -> status:status
00B1 clearKeyTable -> status:status
00B9 setLogicalAndRadioChannel channel:u8 -> status:status
00BA getLogicalChannel -> channel:u8
00C0 gpProxyTableLookup address:octets10 -> index:u8
00C8 gpProxyTableGetEntry index:u8 -> status:status entry:octets62
00DD gpSinkTableGetEntry index:u8 -> status:status entry:octets62
00DE gpSinkTableLookup address:octets10 -> index:u8
00E0 gpSinkTableRemoveEntry index:u8 ->
00E2 gpSinkTableClearAll ->
00F1 readCounters -> values:counters
00F2 counterRolloverHandler counter:u8
0100 getTokenCount -> count:u8
0101 getTokenInfo index:u8 -> status:status info:token_info
0102 getTokenData token:u32 index:u32 -> status:status
0103 setTokenData token:u32 index:u32 data:long_bytes -> status:status
010C getApsKeyInfo context:key_context -> status:sl metadata:key_metadata context:key_context
010D exportLinkKeyByEui eui64:eui64 -> status:sl context:key_context key:key metadata:key_metadata
010E importLinkKey index:u8 eui64:eui64 key:key -> status:sl
010F exportLinkKeyByIndex index:u8 -> status:sl context:key_context key:key metadata:key_metadata
0110 checkKeyContext context:key_context -> status:sl
0111 importTransientKey eui64:eui64 key:key -> status:sl
0112 exportTransientKeyByIndex index:u8 -> status:sl context:key_context key:key metadata:key_metadata
0113 exportTransientKeyByEui eui64:eui64 -> status:sl context:key_context key:key metadata:key_metadata
0114 exportKey context:key_context -> status:sl key:key context:key_context
0115 importKey context:key_context key:key -> status:sl context:key_context
0116 getNetworkKeyInfo -> status:sl info:network_key_info
0118 gpSinkTableGetNumberOfActiveEntries -> count:u8
"""

PRESENT = """
0102 getTokenData token:u32 index:u32 -> status:status data:long_bytes
"""
"""Layout of a response whose last field is there only when its status is OK."""
