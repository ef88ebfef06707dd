"""Whoever wants to open the network, to put another one in its place, or to take the controller over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from hubsec.decisions import Decision
from hubsec.identity import Network
from hubsec.policy.context import Context
from hubsec.policy.rules import Rule
from hubsec.policy.settings import PERMIT_LIMIT, GreenPower, HostInclusion, Settings
from hubsec.policy.verdicts import allow, deny
from hubsec.requests import OpenKind, OpenRequest

HOST: Final = "host"
"""Who asks when it is the host application (:attr:`~hubsec.requests.OpenRequest.asker`)."""
CLIENT: Final = "client:"
"""How an asker begins that is another client of the Z-Wave server."""

_UNCONFIRMED, _NODE = deny(Rule.ADOPTION), deny(Rule.NODE_PERMIT)
_HOST, _RESTORE, _TAKEOVER = map(deny, (Rule.HOST_PERMIT, Rule.HOST_RESTORE, Rule.TAKEOVER))
_GREEN_POWER_SHUT, _GREEN_POWER_LENGTH = map(deny, (Rule.GREEN_POWER_SHUT, Rule.GREEN_POWER_LENGTH))
_INCLUSION, _INSECURE = map(deny, (Rule.HOST_INCLUSION, Rule.INSECURE_INCLUSION))


def opening(settings: Settings) -> Callable[[OpenRequest, Context], Decision]:
    """The decider: nothing opens but Green Power and, on Z-Wave, an inclusion that is judged device by device."""
    green_power = _green_power(settings)
    inclusion = _inclusion(settings)

    def decide_opening(request: OpenRequest, context: Context) -> Decision:
        if not _is_application(request):
            return _NODE
        match request.kind:
            case OpenKind.PERMIT | OpenKind.PERMIT_LINK_KEY:
                return _HOST
            case OpenKind.RESTORE:
                return _RESTORE
            case OpenKind.GREEN_POWER:
                return green_power(request, context)
            case OpenKind.INCLUSION:
                return inclusion(request, context)
            case OpenKind.INSECURE_INCLUSION:
                return _INSECURE
            case OpenKind.TAKEOVER:
                return _TAKEOVER
            case _:
                assert_never(request.kind)

    return decide_opening


def _is_application(request: OpenRequest) -> bool:
    """Whether an application asks, whom hubsec knows by its connection, and not somebody on the air."""
    if request.asker == HOST:
        return True
    return request.network is Network.ZWAVE and request.asker.startswith(CLIENT)


def _green_power(settings: Settings) -> Callable[[OpenRequest, Context], Decision]:
    allowed = allow(Rule.GREEN_POWER)
    may = settings.green_power is GreenPower.OPEN

    def green_power(request: OpenRequest, context: Context) -> Decision:
        if not context.adopted:
            return _UNCONFIRMED
        if not may or request.network is not Network.ZIGBEE:
            return _GREEN_POWER_SHUT
        return allowed if 0 < request.seconds <= PERMIT_LIMIT else _GREEN_POWER_LENGTH

    return green_power


def _inclusion(settings: Settings) -> Callable[[OpenRequest, Context], Decision]:
    """It may begin; whoever comes is asked about by itself, and gets nothing without an entry."""
    allowed = allow(Rule.GUARDED_INCLUSION)
    may = settings.host_inclusion is HostInclusion.GUARDED

    def inclusion(request: OpenRequest, context: Context) -> Decision:
        if not context.adopted:
            return _UNCONFIRMED
        return allowed if may and request.network is Network.ZWAVE else _INCLUSION

    return inclusion
