"""What the gate bears, each bound with where it is from."""

from __future__ import annotations

from typing import Final

import msgspec

KIBI: Final = 1024
MEBI: Final = 1024 * KIBI


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds, sizes bytes.

    `command_size`: a command of a client that is no administrator; the longest are lists of associations, of some
    thousand bytes. `file_size`: of an administrator, whose commands hold firmware and a controller's memory, some
    hundred thousand bytes before base64. `answer_size`: a message of the server's; 231 nodes with all their values are
    some ten million. `connections`: open sockets, before and after the login. `sessions`: clients that are in;
    `per_client`: connections under one name, for one that reconnects before its old connection is known to be dead.

    `openings` at once and `openings_per_second`: one credential's commands that would change who is on the network,
    each of which the hub writes down; people need a few an hour. `refusals` and `refusals_per_second`: those that are
    told of one connection, the others are counted.

    `login`: from a connection's start to its login. `failures` in `failures_window`: wrong logins from one address that
    are told one by one; `addresses`: how many are counted. `slow`: how long a client may leave what it was sent unread.
    `look`: how often the gate looks at who was shut out, who was revoked, and who does not read. `heartbeat`: after
    so long without a word a client is asked whether it is there, and after twice that it is gone (the server's own is
    30). `close`: how long the other end has for its part of closing. `connect`: to the server.
    """

    command_size: int = 256 * KIBI
    file_size: int = 16 * MEBI
    answer_size: int = 128 * MEBI
    connections: int = 128
    sessions: int = 64
    per_client: int = 16
    openings: float = 20
    openings_per_second: float = 0.2
    refusals: float = 20
    refusals_per_second: float = 1.0
    login: float = 10.0
    failures: int = 10
    failures_window: float = 60.0
    addresses: int = 1024
    slow: float = 10.0
    look: float = 0.1
    heartbeat: float = 30.0
    close: float = 2.0
    connect: float = 10.0
