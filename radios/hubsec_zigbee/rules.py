"""What the host may send to the NCP: a rule for each EZSP command, as data.

A command that is not in the table is refused. A test holds the table to the commands of every EZSP version that bellows
knows, so that a new one is a decision and never an accident.

Sources: Silicon Labs UG100 (EZSP reference guide), the trust-center.h of EmberZNet, and the commands of bellows
0.44.1 to 1.2.1."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final


class Rule(Enum):
    """How a command of the host is treated while the guard enforces."""

    PASS = "pass"  # noqa: S105  # not a password
    """It opens nothing and moves no key."""
    FEIGN = "feign"
    """Answered as done, and not done: it is hubsec's to do, and the host's start would fail without an answer."""
    REFUSE = "refuse"
    """It moves keys or opens the network; the caller gets :class:`~hubsec.errors.Refused`."""
    POLICY = "policy"
    """setPolicy: the trust center's own are feigned, others pass."""
    VALUE = "value"
    """setValue: what changes security is refused."""
    CONFIGURATION = "configuration"
    """setConfigurationValue: what would turn security off is refused."""
    TOKEN = "token"  # noqa: S105  # not a password
    """setTokenData: only tokens that bellows repairs, none that holds a network or link key."""
    PERMIT = "permit"
    """permitJoining: closing passes, opening is a question."""
    SEND = "send"
    """A message: what opens the network is a question, and nothing goes to a shut-off device."""
    START = "start"
    """It brings the network up: the trust center is closed, and read back, before it goes out."""
    FORM = "form"
    """It sets keys for a network to be formed: passes while no network is up, refused while one is."""
    CUSTOM = "custom"
    """customFrame: may carry a message."""


_HARMLESS = """
    version getConfigurationValue addEndpoint getPolicy getValue getExtendedValue nop echo invalidCommand
    callback noCallbacks getToken getMfgToken setMfgToken getRandomNumber setTimer getTimer debugWrite
    readAndClearCounters readCounters delayTest
    getLibraryStatus getXncpInfo getEui64 getNodeId setManufacturerCode setPowerDescriptor networkState
    startScan stopScan leaveNetwork energyScanRequest getNetworkParameters getParentChildParameters
    getChildData getNeighbor neighborCount getRouteTableEntry setRadioPower setRadioChannel setConcentrator
    clearBindingTable setBinding getBinding deleteBinding
    bindingIsActive getBindingRemoteNodeId setBindingRemoteNodeId maximumPayloadLength sendManyToOneRouteRequest
    pollForData setSourceRoute addressTableEntryIsActive setAddressTableRemoteEui64 setAddressTableRemoteNodeId
    getAddressTableRemoteEui64 getAddressTableRemoteNodeId setExtendedTimeout getExtendedTimeout
    replaceAddressTableEntry lookupNodeIdByEui64 lookupEui64ByNodeId getMulticastTableEntry
    setMulticastTableEntry getCurrentSecurityState findKeyTableEntry aesMmoHash
    removeDevice getCertificate getCertificate283k1 mfglibStart mfglibEnd mfglibSetChannel mfglibGetChannel
    mfglibSetPower mfglibGetPower launchStandaloneBootloader getStandaloneBootloaderVersionPlatMicroPhy
    setLogicalAndRadioChannel getLogicalChannel isZllNetwork zllOperationInProgress zllRxOnWhenIdleGetActive
    getZllPrimaryChannelMask getZllSecondaryChannelMask getPhyInterfaceCount findUnusedPanId getRadioParameters
    getSourceRouteTableTotalSize getSourceRouteTableFilledSize getSourceRouteTableEntry
    setRoutingShortcutThreshold getRoutingShortcutThreshold setBrokenRouteErrorCode multiPhySetRadioPower
    sendLinkPowerDeltaRequest multiPhySetRadioChannel getDutyCycleState setDutyCycleLimitsInStack
    getDutyCycleLimits getCurrentDutyCycle gpProxyTableGetEntry gpProxyTableLookup
    gpSinkTableGetEntry gpSinkTableLookup gpSinkTableRemoveEntry gpSinkTableClearAll gpSinkTableInit gpClearSinkTable
    gpSinkTableGetNumberOfActiveEntries gpProxyTableRemoveEntry gpClearProxyTable gpTranslationTableClear
    sendPanIdUpdate getTrueRandomEntropySource getFirstBeacon getNextBeacon getNumStoredBeacons clearStoredBeacons
    setBeaconClassificationParams getBeaconClassificationParams setParentClassificationEnabled
    getParentClassificationEnabled setLongUpTime setHubConnectivity isUpTimeLong isHubConnected
    getNeighborFrameCounter setMacPollFailureWaitTime setSourceRouteDiscoveryMode setChildData
    setNeighborFrameCounter setRadioIeee802154CcaMode getTokenCount getTokenInfo
    getTokenData resetNode readAttribute writeAttribute setPassiveAckConfig checkKeyContext childId exportKey
    exportLinkKeyByEui exportLinkKeyByIndex getApsKeyInfo getNetworkKeyInfo radioSetSchedulerPriorities
    setAddressTableInfo getAddressTableInfo setPendingNetworkUpdateChannel clearBindingTableOnLeave
    clearKeyTable tokenFactoryReset readPaDescriptor writePaDescriptor readPaCurveSegment writePaCurveSegment
    readPaCurve writePaCurve readPaTable writePaTable
    readRssiOffset readPaVoltage writePaVoltage readPaMode writePaMode writeRssiOffset readCtune writeCtune
    readDhcVersion writeDhcVersion readPaVersion readPaSignature writePaSignature readPaMetadata writePaMetadata
"""

_REFUSE = """
    setToken importTransientKey addTransientLinkKey clearTransientLinkKeys exportTransientKeyByIndex
    exportTransientKeyByEui getTransientLinkKey getTransientKeyTableEntry importKey setKeyTableEntry
    addOrUpdateKeyTableEntry requestLinkKey updateTcLinkKey sendTrustCenterLinkKey unicastCurrentNetworkKey
    unicastNwkKeyUpdate broadcastNextNetworkKey broadcastNetworkKeySwitch becomeTrustCenter setSecurityKey
    setSecurityParameters joinNetwork joinNetworkDirectly findAndRejoinNetwork sendRawMessage
    sendRawMessageExtended sendBootloadMessage mfglibStartTone mfglibStopTone
    mfglibStartStream mfglibStopStream mfglibSendPacket writeNodeData multiPhyStart multiPhyStop
    generateCbkeKeys calculateSmacs generateCbkeKeys283k1 calculateSmacs283k1 clearTemporaryDataMaybeStoreLinkKey
    clearTemporaryDataMaybeStoreLinkKey283k1 dsaSign dsaVerify dsaVerify283k1 setPreinstalledCbkeData
    savePreinstalledCbkeData283k1 aesEncrypt zllNetworkOps zllSetInitialSecurityState zllStartScan
    zllSetRxOnWhenIdle zllGetTokens zllSetDataToken zllSetNonZllNetwork zllSetSecurityStateWithoutKey
    zllSetRadioIdleMode setZllNodeType setZllAdditionalState setZllPrimaryChannelMask
    setZllSecondaryChannelMask zllClearTokens gpProxyTableProcessGpPairing dGpSend gpSinkTableSetEntry
    gpSinkTableFindOrAllocateEntry gpSinkCommission gpSecurityTestVectors
"""

_OTHERS: Mapping[str, Rule] = {
    "setPolicy": Rule.POLICY,
    "setValue": Rule.VALUE,
    "setConfigurationValue": Rule.CONFIGURATION,
    "setTokenData": Rule.TOKEN,
    "permitJoining": Rule.PERMIT,
    "sendUnicast": Rule.SEND,
    "sendBroadcast": Rule.SEND,
    "sendMulticast": Rule.SEND,
    "sendMulticastWithAlias": Rule.SEND,
    "sendReply": Rule.SEND,
    "proxyBroadcast": Rule.SEND,
    "networkInit": Rule.START,
    "networkInitExtended": Rule.START,
    "formNetwork": Rule.START,
    "setInitialSecurityState": Rule.FORM,
    "importLinkKey": Rule.FORM,
    "eraseKeyTableEntry": Rule.FEIGN,
    "customFrame": Rule.CUSTOM,
}

HOST_COMMANDS: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        **dict.fromkeys(_HARMLESS.split(), Rule.PASS),
        **dict.fromkeys(_REFUSE.split(), Rule.REFUSE),
        **_OTHERS,
    }
)
"""By the command's name in bellows."""

OWNED_POLICIES: Final = frozenset({0x00, 0x05, 0x09})
"""TRUST_CENTER, TC_KEY_REQUEST and TC_REJOINS_USING_WELL_KNOWN_KEY (EzspPolicyId)."""
GUARDED_VALUES: Final = frozenset({0x00, 0x01, 0x0A, 0x0C, 0x10, 0x29, 0x39, 0x44})
"""EzspValueId: node data token, MAC passthrough, extended security bitmask, descriptor capability (it names the
trust center), manufacturer security configuration, revision 21 behaviour, network key timeout, key storage
version."""
GUARDED_CONFIGURATION: Final[Mapping[int, int]] = MappingProxyType({0x0C: 2, 0x0D: 5, 0x2D: 1})
"""EzspConfigId, each with the only value that the host may set: stack profile (PRO), security level (5, the
only one of a Zigbee PRO network: Zigbee specification 4.4.1.2), supported networks."""
WRITABLE_TOKENS: Final = frozenset({0xEE64, 0xE124, 0xE125, 0xE12A, 0xFF0D})
"""The low half of NV3KeyId: node data (transmit power), trust center (its own EUI64 repaired), network
management (update id), restored EUI64, child table: what bellows writes. The network keys (0xEB79, 0xE475) are
not among them."""
