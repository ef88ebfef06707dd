"""What a policy may look at besides the request."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity


class OpenAdmission(msgspec.Struct, frozen=True, kw_only=True):
    """One device's way in, as far as deciding needs it. Times are seconds since the epoch, UTC.

    It lives from its opening until its device is in, exchange and all, or has failed; `expires_at` ends the window in
    which the network key may be asked for.

    `radio` is the one it is open on. `parents` narrows, for this admission, the routers that the policy allows; the
    coordinator itself is always among them. None leaves it to the policy.
    """

    credential: CredentialKind
    opened_at: float
    expires_at: float
    radio: str
    parents: frozenset[Identity] | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The network's state at the moment of a request.

    `entries` is the allowlist, and `admissions` the admissions that live; both are the hub's live mappings, only read
    here, in constant time. `adopted`: an operator has confirmed this network's baseline. `listening`: a listening
    window is open on the request's radio. `knocks` counts the knocks of the last 60 seconds on that radio.
    """

    now: float
    entries: Mapping[Identity, Entry]
    admissions: Mapping[Identity, OpenAdmission]
    adopted: bool
    listening: bool = False
    knocks: int = 0
