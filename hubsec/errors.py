"""Every error hubsec raises.

One root, :class:`HubsecError`, so that an app can catch the project's errors with one clause and tell them from
everybody else's. A message says what happened and what to do next; the facts behind it are attributes, so that
nobody has to parse text. No message, attribute or cause ever carries a secret.
"""

from __future__ import annotations


class HubsecError(Exception):
    """Root of all errors that hubsec raises on purpose."""


class StickerError(HubsecError):
    """The text of a sticker, QR code or install code could not be taken.

    `reason` is one sentence for a person; the text itself is a secret and is not kept.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PolicyError(HubsecError):
    """A policy can't be used.

    `file`, `line` and `key` say where (each None when unknown); `allowed` lists what may stand there. Of a file with
    several mistakes these are about the first one, `others` are the rest, and the text has a line for each.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
        allowed: tuple[str, ...] = (),
        others: tuple[PolicyError, ...] = (),
    ) -> None:
        place = ":".join(str(part) for part in (file, line) if part is not None)
        text = f"{place}: " if place else ""
        text += f"{key}: {problem}" if key else problem
        if allowed:
            text += f" Allowed: {', '.join(allowed)}."
        super().__init__("\n".join((text, *map(str, others))))
        self.problem = problem
        self.file = file
        self.line = line
        self.key = key
        self.allowed = allowed
        self.others = others


class StoreError(HubsecError):
    """What must be durable could not be written or read. Joining stays closed until it can."""


class SealError(StoreError):
    """A sealed value could not be opened: wrong key file, or the row was tampered with."""


class EntryError(HubsecError):
    """The allowlist has no such entry, or a change does not fit the one it has. Nothing was changed."""


class Refused(HubsecError):
    """A guard stood in the way: the policy does not allow what was asked.

    `rule` names the policy's rule, `reason` says why in one sentence. Nothing was done.
    """

    def __init__(self, reason: str, *, rule: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.rule = rule


class Quarantined(Refused):
    """The device is quarantined: nothing goes to it and nothing from it is passed on.

    `device` is its identity.
    """

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(f"{device} is quarantined: {reason}", rule="quarantine")
        self.device = device


class AwaitsKeys(Refused):
    """The device has no keys that its server could use: it is to be included anew, and nothing of or to it passes until
    a supervised command has said that it has the new ones.

    `device` is its identity.
    """

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(f"{device} awaits new keys: {reason}", rule="re-inclusion")
        self.device = device


class RadioError(HubsecError):
    """The radio did not do what was asked, or is not there."""


class NotEnforceable(RadioError):
    """The radio can't enforce what was asked; hubsec refuses instead of pretending.

    `capability` names what is missing.
    """

    def __init__(self, reason: str, *, capability: str) -> None:
        super().__init__(reason)
        self.capability = capability


class AdmissionEnded(HubsecError):
    """An admission ended without the device. `outcome` says how: expired, refused, cancelled, failed."""

    def __init__(self, reason: str, *, outcome: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


class RotationStopped(HubsecError):
    """A rotation can't go on: the radio's key is not one that it can have. `repair` says what is to be done."""

    def __init__(self, reason: str, *, repair: str) -> None:
        super().__init__(f"{reason} {repair}")
        self.reason = reason
        self.repair = repair


class AuditError(HubsecError):
    """The audit log, an export of it or a checkpoint is not what hubsec wrote.

    `seq` is the number of the first record that is wrong, None where it is about none; `fault` is one of ``changed``,
    ``removed``, ``reordered``, ``cut`` (the newest are missing), ``truncated`` (the oldest are, and nobody signed for
    it), ``forged``, ``malformed``.
    """

    def __init__(self, reason: str, *, fault: str, seq: int | None = None) -> None:
        super().__init__(reason)
        self.fault = fault
        self.seq = seq
