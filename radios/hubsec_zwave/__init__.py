"""Enforces who may join a Z-Wave network, on the Z-Wave JS server that people already run."""

from __future__ import annotations

from hubsec_zwave.roles import Role
from hubsec_zwave.screening import Forward, Judge, Refusal, Released, Screen

__all__ = ["Forward", "Judge", "Refusal", "Released", "Role", "Screen"]
