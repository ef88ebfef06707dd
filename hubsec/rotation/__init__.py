"""Changing a Zigbee network's key: what can be done to whom, in which order, and where it stands.

- :mod:`hubsec.rotation.shapes`: the words: ways, what becomes of each device, plans, progress.
- :mod:`hubsec.rotation.radio`: what a radio does for it.
"""
