"""New keys for a Z-Wave network: each device is included anew, since no command gives it other keys.

- :mod:`hubsec.reinclusion.shapes`: the words: what becomes of each device, plans, progress.
- :mod:`hubsec.reinclusion.radio`: what a radio does for it.
- :mod:`hubsec.reinclusion.planning`: the plan. Pure.
- :mod:`hubsec.reinclusion.journal`: what is durable of one.
- :mod:`hubsec.reinclusion.machine`: what is done when, without any I/O.
- :mod:`hubsec.reinclusion.running`: the thin shell around it.

All of a hub's are kept by :mod:`hubsec.reinclusions`; :mod:`hubsec.rekeying` is what a hub offers of it.

docs/adr/0009 says why it is built so.
"""
