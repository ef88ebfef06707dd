"""Codecs of the Zigbee layers: bytes on one side, small immutable values on the other.

No state and no I/O. Every ``decode`` takes any bytes and returns a value or raises
:class:`~hubsec_emulated.errors.FrameError`; every ``encode`` raises it for a value that no frame can carry.
Inside frames a short address, a PAN id and an EUI64 are plain integers and a key is 16 bytes. What may carry a key
(payloads, keys) stays out of ``repr``.
"""
