"""The Zigbee stack of one emulated node, from the MAC to the device profile, and the coordinator built of it."""
