"""The integrations whose networks can be protected, one module each.

To add one: write a module with a :class:`Stack`, and name it in :data:`STACKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .stack import Found, Stack, Stale
from .zha import Zha
from .zwave_js import ZwaveJs

__all__ = ["STACKS", "Found", "Stack", "Stale"]

STACKS: Mapping[str, Stack] = MappingProxyType({stack.domain: stack for stack in (Zha(), ZwaveJs())})
"""By the domain of their config entries."""
