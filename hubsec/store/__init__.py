"""The store: what has to outlive a crash, in one SQLite database of which the secrets are sealed.

:class:`Store` is the blocking face, :class:`AsyncStore` the one for an event loop: it has one writer thread, and an
`await` on it returns after the commit. docs/adr/0003 says why it is built so.
"""

from hubsec.store.aio import AsyncStore
from hubsec.store.records import Change, NetworkRecord, Record, StoredRecord
from hubsec.store.store import Store

__all__ = ["AsyncStore", "Change", "NetworkRecord", "Record", "Store", "StoredRecord"]
