"""The server's provisioning list, kept as the allowlist's mirror.

What is on that list and active comes in by itself (SmartStart), without anybody being asked. So an entry is active
only while an admission is open for its device; the other devices that join by SmartStart are on it inactive; and what
nobody put on the allowlist is made inactive. It is compared again and again, for the server tells nobody of a change,
and any client can make one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hubsec.decisions import Allow
from hubsec.errors import RadioError, Refused, StoreError
from hubsec.events import Drifted
from hubsec.identity import CredentialKind, Identity, SecurityClass
from hubsec.radio import AdmissionOrder
from hubsec.requests import JoinKind, JoinRequest
from hubsec.secret import Secret
from hubsec_zwave.station import Station
from hubsec_zwave.wire import Provisioned, dsk_text, numbers_of, shown_identity

SETTING: Final = "provisioning list"
"""What a drift of it is called."""


def without_node(entry: Mapping[str, Any]) -> dict[str, Any]:
    """`entry`, without the number of a node. By that the server would tell who has come in, rather than by the DSK."""
    return {name: value for name, value in entry.items() if name != "nodeId"}


class Provisioning:
    """The mirror. Only devices whose whole DSK the allowlist has can be on it."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._found: dict[Identity, Mapping[str, Any] | None] = {}
        self._said: set[tuple[Identity, str]] = set()

    async def open_for(self, order: AdmissionOrder) -> None:
        """Let one device come in by itself. Raises :class:`~hubsec.errors.Refused` where it may not."""
        station = self._station
        decision = await station.judge(
            JoinRequest(
                radio=station.name, network=station.network, device=order.device, kind=JoinKind.SMART_START
            )
        )
        if not isinstance(decision, Allow):
            raise Refused(decision.reason, rule=decision.rule)
        station.orders[order.device] = order
        try:
            self._note(order.device, (await self._listed()).get(order.device))
            await self._put(order.secret, Provisioned.ACTIVE, order.least)
        except BaseException:
            station.orders.pop(order.device, None)
            raise

    async def close_for(self, order: AdmissionOrder) -> None:
        """The admission has ended: nothing comes in by that entry any more."""
        if self._station.authority.entry(order.device) is None:
            await self._take_off(dsk_text(order.secret))
        else:
            await self._put(order.secret, Provisioned.INACTIVE, order.least)

    async def mirror(self) -> None:
        """Make the list what it should be, and say what was otherwise. In mode observe it only says so."""
        station = self._station
        listed = await self._listed()
        wanted = {
            entry.device
            for entry in station.authority.entries()
            if entry.credential is CredentialKind.DSK and entry.smart_start
        }
        for device, found in listed.items():
            order = station.orders.get(device)
            active = found.get("status", Provisioned.ACTIVE) == Provisioned.ACTIVE
            if active and (order is None or not order.smart_start):
                await self._stop(device, found, known=device in wanted)
        if not station.enforcing:
            return
        for device in wanted - listed.keys():
            order = station.orders.get(device)
            secret = await self._secret(device)
            if secret is not None:
                self._note(device, None)
                status = (
                    Provisioned.ACTIVE if order is not None and order.smart_start else Provisioned.INACTIVE
                )
                await self._put(secret, status, self._least(device))
        for device in [device for device in station.orders if device in listed]:
            order = station.orders[device]
            if order.smart_start and listed[device].get("status", Provisioned.ACTIVE) != Provisioned.ACTIVE:
                self._drifted(device, "active", "inactive", restored=True)
                await self._put(order.secret, Provisioned.ACTIVE, order.least)

    async def give_back(self) -> None:
        """The list is as it was found."""
        before, self._found = self._found, {}
        for device, found in (await self._listed()).items():
            if device in before and before[device] is None:
                await self._take_off(str(found["dsk"]))
        for was in before.values():
            if was is not None:
                await self._station.command("controller.provision_smart_start_node", entry=without_node(was))

    async def whose(self, node_id: int) -> Identity | None:
        """The device by whose entry a node came in."""
        result = await self._station.command("controller.get_provisioning_entry", dskOrNodeId=node_id)
        entry = result.get("entry")
        return shown_identity(entry.get("dsk")) if isinstance(entry, Mapping) else None

    async def active(self) -> int:
        """How many entries let their device in now."""
        listed = await self._listed()
        return sum(one.get("status", Provisioned.ACTIVE) == Provisioned.ACTIVE for one in listed.values())

    # Inside

    def _note(self, device: Identity, found: Mapping[str, Any] | None) -> None:
        """What the list has of a device before hubsec changes it for the first time."""
        self._found.setdefault(device, found)

    async def _take_off(self, dsk: str) -> None:
        await self._station.command("controller.unprovision_smart_start_node", dskOrNodeId=dsk)

    async def _listed(self) -> dict[Identity, Mapping[str, Any]]:
        result = await self._station.command("controller.get_provisioning_entries")
        entries = result.get("entries")
        found: dict[Identity, Mapping[str, Any]] = {}
        for entry in entries if isinstance(entries, Iterable) else ():
            device = shown_identity(entry.get("dsk")) if isinstance(entry, Mapping) else None
            if device is not None:
                found[device] = entry
        return found

    async def _stop(self, device: Identity, found: Mapping[str, Any], *, known: bool) -> None:
        expected = "inactive" if known else "not there"
        if not self._station.enforcing:
            self._drifted(device, expected, "active", restored=False)
            return
        changed = {**without_node(found), "status": int(Provisioned.INACTIVE)}
        try:
            await self._station.command("controller.provision_smart_start_node", entry=changed)
        except RadioError:
            # A gate before the server keeps what its own policy has let somebody put there.
            self._drifted(device, expected, "active", restored=False)
            return
        self._note(device, found)
        self._drifted(device, expected, "active", restored=True)

    def _drifted(self, device: Identity, expected: str, found: str, *, restored: bool) -> None:
        if not restored and (device, found) in self._said:
            return
        self._said.add((device, found))
        self._station.publish(
            Drifted, device=device, setting=SETTING, expected=expected, found=found, restored=restored
        )

    async def _put(self, secret: Secret, status: Provisioned, least: SecurityClass) -> None:
        classes = [one for one in SecurityClass if one.rank >= max(least.rank, _LEAST.rank)]
        await self._station.command(
            "controller.provision_smart_start_node",
            entry={"dsk": dsk_text(secret), "securityClasses": numbers_of(classes), "status": int(status)},
        )

    async def _secret(self, device: Identity) -> Secret | None:
        try:
            return await self._station.authority.secret(device)
        except StoreError as error:
            raise RadioError(f"The DSK of {device} can't be read.") from error

    def _least(self, device: Identity) -> SecurityClass:
        entry = self._station.authority.entry(device)
        return self._station.authority.least_security(entry.device_class if entry is not None else None)


_LEAST: Final = SecurityClass.S2_AUTHENTICATED
"""SmartStart without a proved DSK would take anybody for the device."""
