"""What hubsec says to a request.

A decision names the policy's rule and the reason, in one sentence for a person. It has no truth value, so that
``if decide(…)`` can't be written: match it exhaustively.

    match decision:
        case Allow(): …
        case Deny() | Knock(): …
        case Quarantine(): …
        case Evict(): …
        case _: assert_never(decision)
"""

from __future__ import annotations

from typing import Never

import msgspec

from hubsec.identity import CredentialKind, Mark


class _Verdict(msgspec.Struct, frozen=True):
    rule: str
    reason: str

    def __bool__(self) -> Never:
        raise TypeError("A decision is neither true nor false: match it.")


class Allow(_Verdict, frozen=True, tag="allow"):
    """Go ahead. `credential` is the proof it rests on, `marks` what is lasting and wrong with it all the same."""

    credential: CredentialKind | None = None
    marks: frozenset[Mark] = frozenset()


class Deny(_Verdict, frozen=True, tag="deny"):
    """Nothing leaves."""


class Knock(_Verdict, frozen=True, tag="knock"):
    """Nothing leaves, but an operator is listening: tell them that this device asked."""


class Quarantine(_Verdict, frozen=True, tag="quarantine"):
    """It is on the network and stays there; nothing of it passes, nothing goes to it."""


class Evict(_Verdict, frozen=True, tag="evict"):
    """Make it leave."""


Decision = Allow | Deny | Knock | Quarantine | Evict
