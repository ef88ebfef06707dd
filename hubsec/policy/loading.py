"""Finding and loading policies.

Ready policies come from packages that name themselves under the entry point group ``hubsec.policies``: the entry
point's object is a module, and the YAML files in it are the policies, each beside its ``.cases.yaml``.

Everything here reads files, and blocks: in an event loop, call it in a thread.
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import os
from importlib.resources.abc import Traversable
from typing import NamedTuple

from hubsec.errors import PolicyError
from hubsec.policy.keys import NAME
from hubsec.policy.policy import Policy, compile_policy
from hubsec.policy.reading import MAX_BYTES, Document, read_file, read_text
from hubsec.policy.schema import settings_of

GROUP = "hubsec.policies"
"""The entry point group of packages with policies."""
CASES_SUFFIX = ".cases.yaml"
"""What a policy's cases end in, instead of ``.yaml``."""
TEXT = "<text>"
"""What errors call a policy that came without a file."""


class Ready(NamedTuple):
    """A ready policy: its name, its file, and its cases, None when it has none."""

    name: str
    file: Traversable
    cases: Traversable | None


def load_policy(source: str | bytes | os.PathLike[str]) -> Policy:
    """The policy that `source` means; blocking.

    A path object is a file. Bytes, and text with a line break or a colon and a space in it, are the YAML itself. A
    plain word is the name of a ready policy. Any other text is the path of a file.

    Raises :class:`~hubsec.errors.PolicyError`, and nothing else, when that is no policy; it says where and what is
    allowed.
    """
    return compile_policy(settings_of(_document(source)))


def ready_policies() -> dict[str, Ready]:
    """The ready policies that are installed, by name; blocking.

    Raises :class:`~hubsec.errors.PolicyError` when a package can't be read, or two have a policy of the same name.
    """
    found: dict[str, Ready] = {}
    for entry_point in sorted(importlib.metadata.entry_points(group=GROUP)):
        try:
            folder = importlib.resources.files(entry_point.load())
            files = {file.name: file for file in folder.iterdir()}
        except Exception as error:
            # Whatever a foreign package does when it is imported must not look like a policy's decision.
            raise PolicyError(f"The policies of {entry_point.value} can't be read: {error}.") from error
        for file_name, file in sorted(files.items()):
            name = file_name.removesuffix(".yaml")
            if name == file_name or NAME.fullmatch(name) is None:
                continue
            if name in found:
                raise PolicyError(f"Two installed packages have a policy {name}.", file=str(file))
            found[name] = Ready(name, file, files.get(name + CASES_SUFFIX))
    return found


def ready_policy(name: str) -> Ready:
    """The ready policy of that name; blocking. Raises :class:`~hubsec.errors.PolicyError`, which lists those that
    exist."""
    found = ready_policies()
    if name not in found:
        raise PolicyError(f"No ready policy is called {name}.", allowed=tuple(found))
    return found[name]


def read_resource(resource: Traversable) -> Document:
    """Read and check a file of an installed package; blocking. Raises :class:`~hubsec.errors.PolicyError`."""
    try:
        with resource.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError("The file can't be read.", file=resource.name) from error
    return read_text(content, file=resource.name)


def is_name(source: str) -> bool:
    """Whether `source` is the name of a ready policy rather than a path."""
    return NAME.fullmatch(source) is not None


def _document(source: str | bytes | os.PathLike[str]) -> Document:
    if isinstance(source, bytes):
        return read_text(source, file=TEXT)
    if not isinstance(source, str):
        return read_file(source)
    if "\n" in source or ": " in source:
        return read_text(source, file=TEXT)
    if is_name(source):
        return read_resource(ready_policy(source).file)
    return read_file(source)
