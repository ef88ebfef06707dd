"""The ways to the key that opens a store: a file, a passphrase, the keyring of the operating system.

Each makes a key-encryption key, which lasts before it is used, finds it again, and can be rid of it. What such a key
wraps is :mod:`hubsec.store.wrapping`'s. Everything here blocks, for half a second even: it is the writer thread's.
"""

from __future__ import annotations

import abc
import base64
import binascii
import os
import unicodedata
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple, override

import msgspec

from hubsec.errors import SealError, StoreError
from hubsec.secret import Secret
from hubsec.store.files import KEY, NEXT_KEY, erase, put_in_place, read_owned, write_new
from hubsec.store.sealing import KEY_BYTES, WHAT_ELSE

PASSPHRASE_VARIABLE: Final = "HUBSEC_PASSPHRASE_FILE"  # noqa: S105 - it names a file
SERVICE: Final = "hubsec"
# NIST SP 800-63B-4, 3.1.1.2: the least length of a password that stands alone. Here whoever has the database may guess
# for as long as he likes.
PASSPHRASE_LEAST: Final = 15
# More than anybody types. A file that is longer is not a passphrase's.
PASSPHRASE_MOST: Final = 1024
# OWASP Password Storage Cheat Sheet, "scrypt", first choice: N = 2^17 (128 MiB), r = 8, p = 1.
LOG_N: Final = 17
BLOCK: Final = 8
PARALLEL: Final = 1
# RFC 7914, 2 and NIST SP 800-132, 5.1: a salt of 128 random bits.
SALT_BYTES: Final = 16


class ByFile(msgspec.Struct, frozen=True, tag="file", tag_field="way"):
    """The key lies in the key file."""


class ByPassphrase(msgspec.Struct, frozen=True, tag="passphrase", tag_field="way"):
    """The key is made of a passphrase, by scrypt (RFC 7914) with these.

    The bounds hold for what is read: less than OWASP's smallest memory of 8 MiB is nobody's choice, and more than 1 GiB
    is there to exhaust the machine.
    """

    salt: Annotated[bytes, msgspec.Meta(min_length=SALT_BYTES, max_length=64)]
    log_n: Annotated[int, msgspec.Meta(ge=13, le=20)]
    r: Annotated[int, msgspec.Meta(ge=8, le=8)]
    p: Annotated[int, msgspec.Meta(ge=1, le=16)]


class ByKeyring(msgspec.Struct, frozen=True, tag="keyring", tag_field="way"):
    """The key lies in the keyring of the operating system, under this name."""

    service: Annotated[str, msgspec.Meta(max_length=64)]
    account: Annotated[str, msgspec.Meta(max_length=128)]


type Way = ByFile | ByPassphrase | ByKeyring


def name_of(way: Way) -> str:
    """What a way is called: ``file``, ``passphrase``, ``keyring``."""
    return str(way.__struct_config__.tag)


class Made(NamedTuple):
    """A new key-encryption key, and how it is found again."""

    key: Secret
    way: Way


class Unlock(abc.ABC):
    """One way to a store's key. `name` is what the store calls it.

    Every method raises :class:`~hubsec.errors.SealError`, with what to do, when the key can't be had; and
    :class:`~hubsec.errors.StoreError` when it can't be kept.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def make(self, folder: Path, store: str, before: Way | None) -> Made:
        """A key for the store called `store`, durable when this returns. With `before`, how the key in force is found,
        it is a new one, and leaves that one as it is."""

    @abc.abstractmethod
    def find(self, folder: Path, way: Way) -> tuple[Secret, ...]:
        """The keys that may be the one; empty: there is none."""

    @abc.abstractmethod
    def wrong(self, folder: Path, *, found: bool) -> str:
        """What to say where a key was found and does not fit, or none was."""


class KeyFile(Unlock):
    """32 random bytes in `hubsec.key`, in the store's own folder, readable by its owner alone.

    It guards a database that is copied without it. Where both are copied, as in a backup, it guards nothing.
    """

    name = "file"

    @override
    def make(self, folder: Path, store: str, before: Way | None) -> Made:
        found = None if before is not None else _read_key(folder / KEY)
        if found is None:
            found = Secret(os.urandom(KEY_BYTES))
            if before is None:
                write_new(folder / KEY, found)
            else:
                # One that is there already was never in force, or is by now the key file itself.
                erase(folder / NEXT_KEY)
                write_new(folder / NEXT_KEY, found)
        return Made(found, ByFile())

    @override
    def find(self, folder: Path, way: Way) -> tuple[Secret, ...]:
        # In force is the newer one once the database says so. A crash may have left either.
        found = [_read_key(folder / name) for name in (NEXT_KEY, KEY)]
        return tuple(key for key in found if key is not None)

    @override
    def wrong(self, folder: Path, *, found: bool) -> str:
        path = folder / KEY
        problem = f"{path} belongs to another store" if found else f"{path} is missing"
        return f"{problem}: put the right one back from a backup. {WHAT_ELSE}"


def _read_key(path: Path) -> Secret | None:
    """The key in that file; None when there is none. Raises SealError when it is no key file."""
    key = _content(path)
    if key is not None and len(key) != KEY_BYTES:
        raise SealError(f"{path} is no key file of hubsec: restore it from a backup. {WHAT_ELSE}")
    return key


def _content(path: Path) -> Secret | None:
    # One byte more than a key shows that it is none.
    content = read_owned(path, KEY_BYTES + 1)
    return None if content is None else Secret(content)


class Passphrase(Unlock):
    """A passphrase, which is nowhere on the machine: `text`, in any form of Unicode.

    Raises :class:`~hubsec.errors.SealError` for one that is empty, or too long to be one. A new one has to have
    `PASSPHRASE_LEAST` characters.
    """

    name = "passphrase"

    def __init__(self, text: str) -> None:
        try:
            # RFC 8265, 4.2: the same letters are the same passphrase, however a keyboard makes them.
            self._text = Secret(unicodedata.normalize("NFC", text).encode())
        except UnicodeError:
            raise SealError("A passphrase is text, and this is none.") from None
        if not 0 < len(self._text) <= PASSPHRASE_MOST:
            raise SealError(f"A passphrase has 1 to {PASSPHRASE_MOST} bytes.")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Passphrase:
        """The passphrase that is the first line of a file."""
        try:
            with Path(path).open("rb") as file:
                line = file.readline(PASSPHRASE_MOST + 3)
        except OSError as error:
            raise SealError(f"The file {path} with the passphrase can't be read: {error.strerror}.") from None
        try:
            return cls(line.rstrip(b"\r\n").decode())
        except UnicodeError:
            raise SealError(f"The file {path} holds no passphrase: it is not text in UTF-8.") from None

    @override
    def make(self, folder: Path, store: str, before: Way | None) -> Made:
        if len(self._text.reveal().decode()) < PASSPHRASE_LEAST:
            raise SealError(
                f"That passphrase is too short: take {PASSPHRASE_LEAST} characters or more, such as five words drawn "
                "by chance."
            )
        way = ByPassphrase(os.urandom(SALT_BYTES), LOG_N, BLOCK, PARALLEL)
        return Made(self._derive(way), way)

    @override
    def find(self, folder: Path, way: Way) -> tuple[Secret, ...]:
        return (self._derive(way),) if isinstance(way, ByPassphrase) else ()

    def _derive(self, way: ByPassphrase) -> Secret:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - only who seals loads it
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415

        try:
            scrypt = Scrypt(salt=way.salt, length=KEY_BYTES, n=1 << way.log_n, r=way.r, p=way.p)
            return Secret(scrypt.derive(self._text.reveal()))
        except MemoryError:
            need = (128 * way.r << way.log_n) >> 20
            raise SealError(
                f"Opening the store takes {need} MiB of memory, which this machine has not free: make room, and try "
                "again."
            ) from None
        except UnsupportedAlgorithm:
            raise SealError(
                "This machine's OpenSSL has no scrypt, which passphrases need: open the store elsewhere, and re-wrap "
                "it for a file or the keyring."
            ) from None

    @override
    def wrong(self, folder: Path, *, found: bool) -> str:
        return (
            f"That passphrase does not open the store in {folder}: give the one that it was sealed with. If that is "
            "lost for good, so is what it sealed, while devices that have joined keep working: forget the secrets, "
            "and add the "
            "devices that have yet to join again, with their stickers."
        )


class OsKeyring(Unlock):
    """32 random bytes in the keyring of the operating system, of the user that this program runs as.

    Needs the library `keyring` (``pip install "hubsec[keyring]"``) and one of its backends that keeps secrets.
    """

    name = "keyring"

    @override
    def make(self, folder: Path, store: str, before: Way | None) -> Made:
        taken = before.account if isinstance(before, ByKeyring) else None
        # The other one of two names: the key in force stays until the database has the new wrap.
        way = ByKeyring(SERVICE, next(name for name in _accounts(store) if name != taken))
        key = Secret(os.urandom(KEY_BYTES))
        _keyring("set_password", way, key)
        if self.find(folder, way) != (key,):
            raise SealError(
                "The keyring did not keep the key that it was given: look at its settings, or take a passphrase or "
                "the file."
            )
        return Made(key, way)

    @override
    def find(self, folder: Path, way: Way) -> tuple[Secret, ...]:
        kept = _keyring("get_password", way) if isinstance(way, ByKeyring) else None
        try:
            return () if kept is None else (Secret(base64.b64decode(kept, validate=True)),)
        except (binascii.Error, ValueError, TypeError):
            return ()

    @override
    def wrong(self, folder: Path, *, found: bool) -> str:
        problem = "has another store's key" if found else "does not have its key"
        return (
            f"This user's keyring {problem}, for the store in {folder}: open it as the user, and on the machine, "
            "that it was "
            "sealed on. If that is lost for good, so is what it sealed, while devices that have joined keep working: "
            "forget the secrets, and add the devices that have yet to join again, with their stickers."
        )


# A backend of keyrings.alt that writes down what it is given for everybody who can read the file.
_PLAIN: Final = "PlaintextKeyring"


def _keyring(call: str, way: ByKeyring, *given: Secret) -> Any:  # noqa: ANN401 - a backend returns what it likes
    """Call the keyring; whatever comes of that is an error of ours."""
    try:
        import keyring  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise SealError('The keyring needs the library keyring: pip install "hubsec[keyring]".') from None
    try:
        backend = keyring.get_keyring()
        if type(backend).__name__ == _PLAIN:
            problem = "keeps secrets in a plain file: take a passphrase, or hubsec's own file"
        else:
            # Text is made of it only now, for nobody's local variable to hold it.
            return getattr(keyring, call)(
                way.service, way.account, *(base64.b64encode(one.reveal()).decode() for one in given)
            )
    except Exception as error:  # noqa: BLE001 - a backend speaks to a desktop, and raises whatever that makes it
        # Its text is left out, and so is the error itself: nobody knows what a backend quotes.
        problem = (
            f"does not answer ({type(error).__name__}): unlock it and try again, or where there is no desktop to "
            "unlock it, "
            "take a passphrase or the file"
        )
    raise SealError(f"The keyring {problem}.")


def _accounts(store: str) -> tuple[str, str]:
    """The two names that the keyring entries of that store have."""
    return f"{store}/1", f"{store}/2"


def is_own(way: Way, store: str) -> bool:
    """Whether `way` is one that the store called so makes. How it is written down is sealed by nothing: whoever changes
    the database could name anybody's keyring entry."""
    return not isinstance(way, ByKeyring) or (way.service == SERVICE and way.account in _accounts(store))


def remove(folder: Path, way: Way) -> None:
    """Be rid of a key that is no longer in force. Raises :class:`~hubsec.errors.StoreError`; once it is gone, nothing
    happens."""
    match way:
        case ByFile():
            erase(folder / KEY)
            erase(folder / NEXT_KEY)
        case ByKeyring():
            if OsKeyring().find(folder, way):
                _keyring("delete_password", way)
        case ByPassphrase():
            pass


def settle(folder: Path, way: Way, key: Secret) -> None:
    """What `way` still has to do once its `key` is in force: a new key file takes the old one's place, or is none."""
    if isinstance(way, ByFile) and _read_key(folder / NEXT_KEY) == key:
        erase(folder / KEY, keep_name=True)
        put_in_place(folder / NEXT_KEY, folder / KEY)
    else:
        erase(folder / NEXT_KEY)


def as_stored(way: Way) -> Unlock:
    """How to open what is wrapped in that way, where nobody said how."""
    match way:
        case ByFile():
            return KeyFile()
        case ByKeyring():
            return OsKeyring()
        case ByPassphrase():
            told = os.environ.get(PASSPHRASE_VARIABLE)
            if not told:
                raise SealError(
                    "This store opens with a passphrase: give the hub one, Hub(…, unlock=Passphrase(…)), or name a "
                    f"file that holds it in ${PASSPHRASE_VARIABLE}."
                )
            return Passphrase.read(told)


def way_from(text: str) -> Way:
    """The way that was written down as `text`. Raises :class:`~hubsec.errors.StoreError` for anything else."""
    try:
        found: Way = msgspec.json.decode(text, type=ByFile | ByPassphrase | ByKeyring)
    except msgspec.MsgspecError:
        raise StoreError(
            "How this store is opened can't be read: the database was changed from outside. Restore it from a backup."
        ) from None
    return found
