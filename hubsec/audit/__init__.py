"""The audit log, as far as it needs no disk: what a record is, how records are chained, signed, exported and verified.

The table is :mod:`hubsec.store.audited`'s; docs/adr/0007 says why it is built so.
"""

from hubsec.audit.checkpoints import Checkpoint, Cut, read_checkpoint
from hubsec.audit.records import Act, AuditRecord, Channel, Kind
from hubsec.audit.verifying import Verified

__all__ = ["Act", "AuditRecord", "Channel", "Checkpoint", "Cut", "Kind", "Verified", "read_checkpoint"]
