"""Takes one frame apart, layer by layer, as far as a keyring opens it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hubsec_emulated.capture.keyring import Keyring, KnownKey
from hubsec_emulated.errors import FrameError, SecurityError
from hubsec_emulated.wire import aps as aps_codec
from hubsec_emulated.wire import mac as mac_codec
from hubsec_emulated.wire import nwk as nwk_codec
from hubsec_emulated.wire import zdo as zdo_codec
from hubsec_emulated.wire.aps import ApsCommandPayload, ApsFrame, ApsType, Tunnel
from hubsec_emulated.wire.mac import BeaconPayload, MacCommandPayload, MacFrame, MacType
from hubsec_emulated.wire.nwk import PROTOCOL_VERSION, NwkCommandPayload, NwkFrame, NwkType
from hubsec_emulated.wire.security import AuxHeader, KeyId, unsecure_aps, unsecure_nwk
from hubsec_emulated.wire.zdo import ZdoMessage

MAX_TUNNELS: Final = 2
"""Tunnels inside one another that are followed: the specification knows one, 4.4.9.7."""


class Layer(StrEnum):
    """A layer that can be secured."""

    NWK = "network"
    APS = "application support"
    TUNNELLED = "tunnelled"


@dataclass(frozen=True, slots=True)
class NwkLayer:
    """The network layer. When it was secured `aux` says how; `key` opened it, None: it stayed shut."""

    frame: NwkFrame
    aux: AuxHeader | None = None
    key: KnownKey | None = None
    command: NwkCommandPayload | None = None

    @property
    def opened(self) -> bool:
        """Whether the payload is plain, secured or not."""
        return self.aux is None or self.key is not None


@dataclass(frozen=True, slots=True)
class ApsLayer:
    """The application support layer, with the frame that a Tunnel carries as another one inside."""

    frame: ApsFrame
    aux: AuxHeader | None = None
    key: KnownKey | None = None
    command: ApsCommandPayload | None = None
    tunnelled: ApsLayer | None = None

    @property
    def opened(self) -> bool:
        """Whether the payload is plain, secured or not."""
        return self.aux is None or self.key is not None


@dataclass(frozen=True, slots=True)
class Dissection:
    """One frame, taken apart as far as it opened.

    `malformed` says what is wrong with a layer above the MAC, in one sentence; the layers below it are there.
    """

    mac: MacFrame
    mac_command: MacCommandPayload | None = None
    beacon: BeaconPayload | None = None
    nwk: NwkLayer | None = None
    aps: ApsLayer | None = None
    zdo: ZdoMessage | None = None
    malformed: str | None = None

    @property
    def shut(self) -> Layer | None:
        """The outermost layer that stayed shut; None when everything secured was opened."""
        if self.nwk is not None and not self.nwk.opened:
            return Layer.NWK
        layer, where = self.aps, Layer.APS
        while layer is not None:
            if not layer.opened:
                return where
            layer, where = layer.tunnelled, Layer.TUNNELLED
        return None

    @property
    def secured(self) -> bool:
        """Whether any layer was secured."""
        return (self.nwk is not None and self.nwk.aux is not None) or (
            self.aps is not None and (self.aps.aux is not None or self.aps.tunnelled is not None)
        )

    @property
    def opened_by(self) -> dict[Layer, KnownKey]:
        """Which key opened each secured layer that opened."""
        keys = {}
        if self.nwk is not None and self.nwk.key is not None:
            keys[Layer.NWK] = self.nwk.key
        layer, where = self.aps, Layer.APS
        while layer is not None:
            if layer.key is not None:
                keys[where] = layer.key
            layer, where = layer.tunnelled, Layer.TUNNELLED
        return keys


def dissect(psdu: bytes, keyring: Keyring, *, has_fcs: bool = True) -> Dissection:
    """Take a PSDU apart with the keys of `keyring`, which is only read.

    FrameError when the bytes are no MAC frame; a fault further in is told by `Dissection.malformed`.
    """
    mac = MacFrame.decode(psdu) if has_fcs else MacFrame.decode_without_fcs(psdu)
    found = _Found()
    try:
        match mac.type:
            case MacType.COMMAND:
                found.mac_command = mac_codec.decode_command(mac.payload)
            case MacType.BEACON:
                found.beacon = BeaconPayload.decode(mac.payload)
            case MacType.DATA:
                _network(mac, keyring, found)
            case MacType.ACK:
                pass
    except FrameError as error:
        found.malformed = str(error)
    return Dissection(mac, found.mac_command, found.beacon, found.nwk, found.aps, found.zdo, found.malformed)


class _Found:
    """What was found so far: kept when a later layer turns out to be malformed."""

    __slots__ = ("aps", "beacon", "mac_command", "malformed", "nwk", "zdo")

    def __init__(self) -> None:
        self.mac_command: MacCommandPayload | None = None
        self.beacon: BeaconPayload | None = None
        self.nwk: NwkLayer | None = None
        self.aps: ApsLayer | None = None
        self.zdo: ZdoMessage | None = None
        self.malformed: str | None = None


def _network(mac: MacFrame, keyring: Keyring, found: _Found) -> None:
    frame = NwkFrame.decode(mac.payload)
    if frame.version != PROTOCOL_VERSION:
        # Green Power and others share the air; what they send is theirs to judge.
        return
    layer = NwkLayer(frame)
    found.nwk = layer
    if frame.type is NwkType.INTERPAN:
        found.aps = ApsLayer(ApsFrame.decode(frame.payload))
        return
    if frame.security:
        layer = _open_network(mac.payload, frame, keyring)
        found.nwk = layer
        if not layer.opened:
            return
    plain = layer.frame
    if plain.type is NwkType.COMMAND:
        command = nwk_codec.decode_command(plain.payload)
        found.nwk = NwkLayer(plain, layer.aux, layer.key, command)
        return
    sender = plain.src_ieee if plain.src_ieee is not None else keyring.eui64_of(mac.dst_pan, plain.src)
    receiver = plain.dst_ieee if plain.dst_ieee is not None else keyring.eui64_of(mac.dst_pan, plain.dst)
    senders = [sender] if sender is not None else keyring.eui64s(mac.dst_pan)
    _support(plain.payload, senders, receiver, keyring, found)


def _open_network(npdu: bytes, frame: NwkFrame, keyring: Keyring) -> NwkLayer:
    aux = AuxHeader.decode(frame.payload)
    for key in keyring.network_keys(aux.key_seq):
        try:
            opened, _ = unsecure_nwk(npdu, key.value)
        except SecurityError:
            continue
        return NwkLayer(opened, aux, key)
    return NwkLayer(frame, aux)


def _support(apdu: bytes, senders: list[int], receiver: int | None, keyring: Keyring, found: _Found) -> None:
    layers: list[ApsLayer] = []
    try:
        while len(layers) <= MAX_TUNNELS:
            layer = _open_support(apdu, senders, receiver, keyring)
            if not layer.opened or layer.frame.type is not ApsType.COMMAND:
                layers.append(layer)
                break
            layers.append(layer)
            command = aps_codec.decode_command(layer.frame.payload)
            layers[-1] = ApsLayer(layer.frame, layer.aux, layer.key, command)
            if not isinstance(command, Tunnel):
                break
            apdu, receiver = command.frame, command.dst
    finally:
        inner: ApsLayer | None = None
        for layer in reversed(layers):
            inner = ApsLayer(layer.frame, layer.aux, layer.key, layer.command, inner)
        found.aps = inner
    outer = layers[0]
    if not outer.opened or outer.frame.type is not ApsType.DATA or outer.frame.profile != zdo_codec.PROFILE:
        return
    if outer.frame.fragment is None and outer.frame.cluster is not None:
        _, found.zdo = zdo_codec.decode(outer.frame.cluster, outer.frame.payload)


def _open_support(apdu: bytes, senders: list[int], receiver: int | None, keyring: Keyring) -> ApsLayer:
    frame = ApsFrame.decode(apdu)
    if not frame.security:
        return ApsLayer(frame)
    aux = AuxHeader.decode(frame.payload)
    keys = (
        keyring.network_keys(aux.key_seq)
        if aux.key_id is KeyId.NETWORK
        else keyring.link_keys(receiver, *senders)
    )
    for source in [aux.source] if aux.source is not None else senders:
        for key in keys:
            try:
                opened, _ = unsecure_aps(apdu, key.value, source)
            except SecurityError:
                continue
            return ApsLayer(opened, aux, key)
    return ApsLayer(frame, aux)
