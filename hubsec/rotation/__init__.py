"""Changing a Zigbee network's key: what can be done to whom, in which order, and where it stands.

- :mod:`hubsec.rotation.shapes`: the words: ways, what becomes of each device, plans, progress.
- :mod:`hubsec.rotation.radio`: what a radio does for it.
- :mod:`hubsec.rotation.planning`: the dry run; :mod:`hubsec.rotation.triggers`: why it is due.
- :mod:`hubsec.rotation.machine`: what to do next, without I/O; :mod:`hubsec.rotation.journal`: what it finds again.
- :mod:`hubsec.rotation.returning`: letting stragglers back without the key.
- :mod:`hubsec.rotation.comparing`: whether the radio has the key that it ought to have.
- :mod:`hubsec.rotation.giving_up`: the way out where its records can't be read.
- :mod:`hubsec.rotation.missing`: looking for who may be without the network.
- :mod:`hubsec.rotation.runner`: drives the machine; :mod:`hubsec.rotation.books`, :mod:`hubsec.rotation.due`: the
  hub's side, in the store.

All of a hub's are kept by :mod:`hubsec.rotations`; :mod:`hubsec.rekeying` is what a hub offers of it.

docs/adr/0008 says why it is built so.
"""
