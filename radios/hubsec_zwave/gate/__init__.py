"""The gate in front of a Z-Wave JS server: a credential for each client, a role for each credential, and the policy."""

from __future__ import annotations

from hubsec_zwave.gate.credentials import Client, Credentials, Issued
from hubsec_zwave.gate.limits import Limits
from hubsec_zwave.gate.probing import Exposure, probe
from hubsec_zwave.gate.server import Gate, Seen

__all__ = ["Client", "Credentials", "Exposure", "Gate", "Issued", "Limits", "Seen", "probe"]
