"""What a client's server runs, read from outside: nothing is put on the client, and no command is sent."""

from __future__ import annotations

import msgspec
from zwave_js_server.client import Client

from hubsec.errors import RadioError
from hubsec.radio import Capabilities, SeenDevice
from hubsec_zwave.capabilities import CAPABILITIES
from hubsec_zwave.link import check_client
from hubsec_zwave.nodes import Nodes


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """A running network. `network_id` is the home id as 8 hex digits, `server` the server's version; `devices` leaves
    the controller out, and calls each by its address, for nobody has asked yet who it is."""

    network_id: str
    server: str
    capabilities: Capabilities
    devices: tuple[SeenDevice, ...]


def survey(client: Client) -> Survey:
    """The network behind `client`. Raises :class:`~hubsec.errors.RadioError` for anything else than a client that
    listens to its server."""
    check_client(client)
    if client.driver is None or not client.connected or client.version is None:
        raise RadioError("The client is not listening to its server.")
    controller = client.driver.controller
    nodes = Nodes(int(controller.data["homeId"]), int(controller.data["ownNodeId"]))
    nodes.take(node.data for node in controller.nodes.values())
    return Survey(
        network_id=f"{nodes.home_id:08x}",
        server=str(client.version.server_version),
        capabilities=CAPABILITIES[0],
        devices=nodes.listed(),
    )
