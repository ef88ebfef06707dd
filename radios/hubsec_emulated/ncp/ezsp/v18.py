"""EZSP version 18 (Simplicity SDK 2025.6) where it differs from version 14."""

COMMANDS = """
003D setPendingNetworkUpdateChannel channel:u8 ->
005D gpProxyTableRemoveEntry index:u8 ->
005F gpClearProxyTable ->
0100 getTokenCount -> count:u32
"""
