-- Every table is keyed by identity first and no transaction touches two identities.

CREATE TABLE accounts (
    identity    TEXT    NOT NULL PRIMARY KEY,
    token_hash  BLOB    NOT NULL CHECK (length(token_hash) = 32),
    created     INTEGER NOT NULL
) STRICT;

-- One client of an identity: what it published last, and under which long-term key.
-- Times are Unix seconds, copied out of the profiles.
CREATE TABLE devices (
    identity        TEXT    NOT NULL REFERENCES accounts (identity),
    tag             INTEGER NOT NULL,
    identity_key    BLOB    NOT NULL CHECK (length(identity_key) = 57),
    client_profile  BLOB,
    client_expires  INTEGER,
    prekey_profile  BLOB,
    prekey_expires  INTEGER,
    PRIMARY KEY (identity, tag)
) STRICT;

-- `message` is NULL once the prekey was handed out. The row stays, so that the same prekey is never accepted
-- again; `digest` (SHA-256 of the message) tells a repeated publication from another prekey under a used id.
CREATE TABLE prekeys (
    sequence  INTEGER NOT NULL PRIMARY KEY,
    identity  TEXT    NOT NULL REFERENCES accounts (identity),
    tag       INTEGER NOT NULL,
    id        INTEGER NOT NULL,
    digest    BLOB    NOT NULL CHECK (length(digest) = 32),
    message   BLOB,
    UNIQUE (identity, tag, id)
) STRICT;

-- The oldest prekey of a device, and how many are left, without reading what was handed out.
CREATE INDEX prekeys_left ON prekeys (identity, tag, sequence) WHERE message IS NOT NULL;
