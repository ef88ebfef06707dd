-- Times are seconds since the epoch, UTC. Every table is STRICT, so that a value of a wrong type is refused.

-- One row: this database's name.
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;

-- One row: the key under which everything in `sealed` lies, wrapped (see wrapping.py). `way` and `retired` are JSON:
-- how the wrap's own key is found, and where the one before it is still to be removed.
CREATE TABLE data_key (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    way TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    key_check BLOB NOT NULL,
    wrapped_at REAL NOT NULL,
    retired TEXT
) STRICT;

-- What an operator said about each network that a radio has shown. No row: this store has never seen that network.
CREATE TABLE networks (
    network TEXT NOT NULL,
    network_id TEXT NOT NULL,
    first_seen REAL NOT NULL,
    adopted_at REAL,
    adopted_by TEXT,
    exposed_at REAL,
    exposed_reason TEXT,
    rotated_at REAL,
    PRIMARY KEY (network, network_id),
    CHECK ((adopted_at IS NULL) = (adopted_by IS NULL)),
    CHECK ((exposed_at IS NULL) = (exposed_reason IS NULL))
) STRICT, WITHOUT ROWID;

-- The allowlist, without its secrets. `marks` and `pinned` are JSON.
CREATE TABLE entries (
    device TEXT PRIMARY KEY NOT NULL,
    network TEXT NOT NULL,
    credential TEXT NOT NULL,
    label TEXT NOT NULL,
    approved_by TEXT NOT NULL,
    approved_at REAL NOT NULL,
    expires_at REAL,
    use TEXT NOT NULL,
    device_class TEXT,
    maker TEXT,
    joined_at REAL,
    marks TEXT NOT NULL,
    pinned TEXT,
    quarantined TEXT,
    address TEXT,
    smart_start INTEGER NOT NULL CHECK (smart_start IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Every secret, sealed to its row (see sealed.py). A device's credential goes with its entry.
CREATE TABLE sealed (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    secret BLOB NOT NULL,
    sealed_at REAL NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- Who changed the allowlist, and how. `entry` is the row as it was left, as JSON, or as it was removed.
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    device TEXT NOT NULL,
    change TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX changes_by_device ON changes (device, id);

-- Every decision, written before the radio acts on it. `request` and `decision` are JSON,
-- `verdict` is the decision's tag: the newest of each are kept.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    radio TEXT NOT NULL,
    device TEXT,
    request TEXT NOT NULL,
    verdict TEXT NOT NULL,
    decision TEXT NOT NULL,
    policy TEXT NOT NULL,
    correlation TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_by_device ON decisions (device, id);
CREATE INDEX decisions_by_correlation ON decisions (correlation, id);
CREATE INDEX decisions_by_verdict ON decisions (verdict, id);
-- A decision is never rewritten. The oldest may be dropped, to bound the table.
CREATE TRIGGER decisions_stand BEFORE UPDATE ON decisions BEGIN
    SELECT RAISE (ABORT, 'a decision is not rewritten');
END;

-- Every rotation of a network's key, as it stands or as it ended; `about` is its progress as JSON, which has no key in it.
CREATE TABLE rotations (
    rotation TEXT PRIMARY KEY NOT NULL,
    network_id TEXT NOT NULL,
    started_at REAL NOT NULL,
    about TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX rotations_by_network ON rotations (network_id, started_at);

-- Why a network's key ought to be changed, until it is. `device` is empty where it is nobody's doing.
CREATE TABLE rotation_needs (
    network_id TEXT NOT NULL,
    trigger TEXT NOT NULL,
    device TEXT NOT NULL,
    since REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (network_id, trigger, device)
) STRICT, WITHOUT ROWID;
