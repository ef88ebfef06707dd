-- Times are seconds since the epoch, UTC. Every table is STRICT, so that a value of a wrong type is refused.

-- One row: this database's name; what an opening found wrong with the end of `audit`, until somebody accepts it; and the
-- last record that was accepted as it is.
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    created_at REAL NOT NULL,
    log_fault TEXT,
    log_accepted INTEGER NOT NULL DEFAULT 0
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

-- Every decision, change of the allowlist, act and event, in their order; see docs/adr/0007. `body` is JSON, `hash` that
-- of the record and of all before it.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    device TEXT,
    correlation TEXT NOT NULL,
    body TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
-- SQLite puts the row's own key behind what an index names (https://sqlite.org/fileformat2.html, 2.5.1): each is in the
-- order of seq.
CREATE INDEX audit_by_device ON audit (device) WHERE device IS NOT NULL;
CREATE INDEX audit_by_correlation ON audit (correlation) WHERE correlation <> '';
-- These are few, and are looked for among many.
CREATE INDEX audit_rare ON audit (kind) WHERE kind IN ('change', 'checkpoint');
-- A record is never rewritten, and only the oldest may go.
CREATE TRIGGER audit_stands BEFORE UPDATE ON audit BEGIN
    SELECT RAISE (ABORT, 'a record is not rewritten');
END;
CREATE TRIGGER audit_goes_from_its_beginning BEFORE DELETE ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq < OLD.seq) BEGIN
    SELECT RAISE (ABORT, 'only the oldest record goes');
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

-- Every re-inclusion of a network's devices, as it stands or as it ended; `about` is its progress as JSON, which has no
-- key in it.
CREATE TABLE reinclusions (
    reinclusion TEXT PRIMARY KEY NOT NULL,
    network_id TEXT NOT NULL,
    started_at REAL NOT NULL,
    about TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reinclusions_by_network ON reinclusions (network_id, started_at);
