"""Policies: what may join, and what becomes of what is there.

:func:`load_policy` reads one, :func:`decide` asks it. See ``docs/policies.md`` for every key.
"""

from __future__ import annotations

from hubsec.policy.classes import DeviceClass, zigbee_device_class, zwave_device_class
from hubsec.policy.context import Context, OpenAdmission
from hubsec.policy.loading import load_policy, ready_policies
from hubsec.policy.policy import Policy, compile_policy, decide
from hubsec.policy.rules import Rule
from hubsec.policy.settings import Settings
from hubsec.policy.terms import Terms

__all__ = [
    "Context",
    "DeviceClass",
    "OpenAdmission",
    "Policy",
    "Rule",
    "Settings",
    "Terms",
    "compile_policy",
    "decide",
    "load_policy",
    "ready_policies",
    "zigbee_device_class",
    "zwave_device_class",
]
