"""The integrations whose networks can be protected, one module each.

To add one: write a module with a :class:`Stack`, and name it in :data:`STACKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .stack import Found, Refusal, Stack
from .zha import Zha

__all__ = ["STACKS", "Found", "Refusal", "Stack"]

STACKS: Mapping[str, Stack] = MappingProxyType({stack.domain: stack for stack in (Zha(),)})
"""By the domain of their config entries."""
