"""The rules that a decision can name, each with its sentence for a person."""

from __future__ import annotations

import enum


class Rule(enum.StrEnum):
    """Why. One rule stands for one reason, whatever the decision that it leads to."""

    # What lets a device in, or lets it stay
    INSTALL_CODE = "install-code"
    DSK = "dsk"
    APPROVAL = "approval"
    KNOWN = "known"
    ADOPTED = "adopted"
    ENTRY = "entry"
    ADMISSION = "admission"
    VERIFIED_REJOIN = "verified-rejoin"
    EXCHANGED = "exchanged"
    EXCHANGE_NOT_OWED = "exchange-not-owed"
    SECURED = "secured"
    SECURITY_NOT_OWED = "security-not-owed"
    IDENTITY = "identity"
    GUARDED_INCLUSION = "guarded-inclusion"
    GREEN_POWER = "green-power"
    # What keeps it out, or takes it off
    ADOPTION = "adoption-unconfirmed"
    NO_ENTRY = "no-entry"
    NO_ADMISSION = "no-admission"
    KNOCK = "knock"
    KNOCK_RATE = "knock-rate"
    WITHOUT_ENTRY = "without-entry"
    NEVER_LET_IN = "never-let-in"
    ENTRY_EXPIRED = "entry-expired"
    ENTRY_SPENT = "entry-spent"
    QUARANTINED = "quarantined"
    ADMISSION_OVER = "admission-over"
    OTHER_RADIO = "other-radio"
    CREDENTIAL_MISMATCH = "credential-mismatch"
    CREDENTIAL = "credential"
    DEVICE_CLASS = "device-class"
    MAKER = "maker"
    PARENT = "parent"
    ATTEMPTS = "attempts"
    UNSECURED_REJOIN = "unsecured-rejoin"
    FAILED_EXCHANGE = "failed-exchange"
    SECURITY_CLASS = "security-class"
    IDENTITY_CHANGE = "identity-change"
    HOST_PERMIT = "host-permit"
    HOST_RESTORE = "host-restore"
    HOST_INCLUSION = "host-inclusion"
    INSECURE_INCLUSION = "insecure-inclusion"
    TAKEOVER = "takeover"
    NODE_PERMIT = "node-permit"
    GREEN_POWER_SHUT = "green-power-shut"
    GREEN_POWER_LENGTH = "green-power-length"
    LISTENING_LENGTH = "listening-length"


REASONS: dict[Rule, str] = {
    Rule.INSTALL_CODE: "An admission is open for it, by its install code.",
    Rule.DSK: "An admission is open for it, by its DSK.",
    Rule.APPROVAL: "An operator approved it; without an install code the key goes out under a public key.",
    Rule.KNOWN: "It has an entry and was let in before.",
    Rule.ADOPTED: "It is part of the baseline that an operator confirmed.",
    Rule.ENTRY: "It has an entry.",
    Rule.ADMISSION: "It is being admitted.",
    Rule.VERIFIED_REJOIN: "It was let in by its install code and proved a link key of its own.",
    Rule.EXCHANGED: "It has a link key of its own and proved it.",
    Rule.EXCHANGE_NOT_OWED: "It has no link key of its own, and the policy does not ask this device for one.",
    Rule.SECURED: "It holds the security class that the policy asks of it.",
    Rule.SECURITY_NOT_OWED: "It holds a lesser security class than the policy asks, but was there before.",
    Rule.IDENTITY: "It says what is expected of it.",
    Rule.GUARDED_INCLUSION: "The policy lets the host begin an inclusion, in which each device is judged.",
    Rule.GREEN_POWER: "The policy lets the host open Green Power commissioning.",
    Rule.ADOPTION: "The devices of this network are not confirmed as its baseline yet.",
    Rule.NO_ENTRY: "It has no entry and nobody is listening.",
    Rule.NO_ADMISSION: "It has an entry, but no admission is open for it.",
    Rule.KNOCK: "No admission is open for it, but an operator is listening.",
    Rule.KNOCK_RATE: "Too many devices knocked within a minute.",
    Rule.WITHOUT_ENTRY: "It is on the network and has no entry.",
    Rule.NEVER_LET_IN: "It has an entry, but is on the network without having been let in.",
    Rule.ENTRY_EXPIRED: "Its entry has expired.",
    Rule.ENTRY_SPENT: "Its entry was for one join, and that has been.",
    Rule.QUARANTINED: "It is quarantined.",
    Rule.ADMISSION_OVER: "Its admission's time is over.",
    Rule.OTHER_RADIO: "Its admission is open on another radio.",
    Rule.CREDENTIAL_MISMATCH: "Its admission rests on another credential than its entry.",
    Rule.CREDENTIAL: "The policy does not accept that credential from such a device.",
    Rule.DEVICE_CLASS: "The policy does not take devices of that class.",
    Rule.MAKER: "The policy does not take devices of that maker.",
    Rule.PARENT: "It came through a router that the policy does not let devices join through.",
    Rule.ATTEMPTS: "It tried too often in one window.",
    Rule.UNSECURED_REJOIN: "It asks for the network key again, and the policy does not hand it out that way.",
    Rule.FAILED_EXCHANGE: "It owes a link key of its own and did not prove one in time.",
    Rule.SECURITY_CLASS: "It holds a lesser security class than the policy asks of it, or than it held before.",
    Rule.IDENTITY_CHANGE: "It says something else of itself than it did, or than its entry expects.",
    Rule.HOST_PERMIT: "The network opens for one device at a time, by an admission, and never for a host application.",
    Rule.HOST_RESTORE: "A backup brings other keys, and devices that nobody has judged.",
    Rule.HOST_INCLUSION: "The policy does not let a host application begin an inclusion.",
    Rule.INSECURE_INCLUSION: "Without S2, a device's keys go over the air for whoever listens, or it has none.",
    Rule.TAKEOVER: "A controller that is wiped, or joins another network, is lost to this one.",
    Rule.NODE_PERMIT: "A node on the air has no say in opening the network.",
    Rule.GREEN_POWER_SHUT: "The policy keeps Green Power commissioning shut.",
    Rule.GREEN_POWER_LENGTH: "Green Power commissioning was asked to stay open for too long.",
    Rule.LISTENING_LENGTH: "The policy does not let anybody listen that long.",
}
"""The sentence of every rule."""
