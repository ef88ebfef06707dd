"""The trust center link key exchange of a joiner (Base Device Behavior 10.2.5), and why it may fail.

Node_Desc_req to the trust center; if that follows revision 21 or later: Request-Key under the key that brought the
network key, Transport-Key, Verify-Key, Confirm-Key. A device whose exchange fails leaves, as the specification wants.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from hubsec_emulated.clock import Timer
from hubsec_emulated.wire import zdo
from hubsec_emulated.wire.addresses import COORDINATOR
from hubsec_emulated.wire.aps import ConfirmKey, KeyType, RequestKey, TrustCenterLinkKey, VerifyKey
from hubsec_emulated.wire.crypto import verify_key_hash

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

REVISION_WITH_EXCHANGE: Final = 21
"""Trust centers of earlier stack revisions know no exchange. Base Device Behavior 10.2.5."""


class ExchangeStep(Enum):
    """Where the exchange stands."""

    NONE = "not begun"
    NODE_DESCRIPTOR = "waiting for the trust center's node descriptor"
    REQUEST_KEY = "waiting for the link key"
    VERIFY_KEY = "waiting for the confirmation"
    DONE = "done"
    FAILED = "failed"


class Exchange:
    """The exchange of one device."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.step = ExchangeStep.NONE
        self._attempts = 0
        self._timer: Timer | None = None

    @property
    def running(self) -> bool:
        """Whether the device waits for the next message."""
        return self.step not in (ExchangeStep.NONE, ExchangeStep.DONE, ExchangeStep.FAILED)

    def reset(self) -> None:
        """Forget about it: the device is off the network or has no power."""
        self._cancel()
        if self.step is not ExchangeStep.DONE:
            self.step = ExchangeStep.NONE

    def start(self) -> None:
        """Begin, from the first step."""
        self._attempts = 0
        self._to(ExchangeStep.NODE_DESCRIPTOR)

    def on_node_descriptor(self, response: zdo.NodeDescRsp) -> None:
        """The trust center's node descriptor."""
        if self.step is not ExchangeStep.NODE_DESCRIPTOR or response.descriptor is None:
            return
        self._attempts = 0
        if response.descriptor.stack_revision < REVISION_WITH_EXCHANGE:
            self._end(ExchangeStep.DONE)
        else:
            self._to(ExchangeStep.REQUEST_KEY)

    def on_link_key(self, carried: TrustCenterLinkKey) -> None:
        """Our new link key."""
        if self.step is not ExchangeStep.REQUEST_KEY or carried.dst != self._node.eui64:
            return
        self._attempts = 0
        self._node.link_keys.pending_key = carried.key
        self._to(ExchangeStep.VERIFY_KEY)

    def on_confirm(self, confirm: ConfirmKey, key: bytes | None) -> None:
        """The trust center's verdict, which counts only under the new key."""
        links = self._node.link_keys
        if self.step is not ExchangeStep.VERIFY_KEY or key is None or key != links.pending_key:
            return
        if confirm.status != 0 or confirm.dst != self._node.eui64:
            self._end(ExchangeStep.FAILED)
            return
        links.trust_center_key, links.pending_key, links.verified = key, None, True
        self._end(ExchangeStep.DONE)

    def _to(self, step: ExchangeStep) -> None:
        self.step = step
        self._cancel()
        self._timer = self._node.later(self._node.timing.step_delay, self._send)

    def _send(self) -> None:
        node, links = self._node, self._node.link_keys
        timing = node.timing
        self._attempts += 1
        if self._attempts > timing.exchange_attempts:
            self._end(ExchangeStep.FAILED)
            return
        self._timer = node.later(timing.exchange_timeout, self._send)
        if self.step is ExchangeStep.NODE_DESCRIPTOR:
            node.zdo.send(COORDINATOR, zdo.NodeDescReq(COORDINATOR))
        elif self.step is ExchangeStep.REQUEST_KEY:
            request = RequestKey(KeyType.TRUST_CENTER_LINK)
            node.aps.send_command(COORDINATOR, request.encode(), key=links.trust_center_key)
        elif links.pending_key is not None:
            verify = VerifyKey(KeyType.TRUST_CENTER_LINK, node.eui64, verify_key_hash(links.pending_key))
            node.aps.send_command(COORDINATOR, verify.encode(), ack=True)
        node.on_expecting()

    def _end(self, step: ExchangeStep) -> None:
        self._cancel()
        self.step = step
        self._node.on_exchange_ended(verified=step is ExchangeStep.DONE)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
