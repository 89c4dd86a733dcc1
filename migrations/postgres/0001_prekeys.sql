-- Every table is keyed by identity first and no transaction of a server touches two identities: a cluster may keep each
-- identity wherever it likes. The same tables as for SQLite, where they came about in steps, and one more.
-- Times are Unix seconds. "C": identities are compared byte by byte, in every locale.

CREATE TABLE accounts (
    identity  TEXT COLLATE "C"  NOT NULL PRIMARY KEY,
    created   BIGINT            NOT NULL
);

-- Several tokens an account, so that they can be changed and each client can have its own.
CREATE TABLE tokens (
    identity    TEXT COLLATE "C"  NOT NULL REFERENCES accounts (identity),
    token_hash  BYTEA             NOT NULL CHECK (length(token_hash) = 32),
    created     BIGINT            NOT NULL,
    PRIMARY KEY (identity, token_hash)
);

-- One client of an identity: what it published last, and under which long-term key.
CREATE TABLE devices (
    identity        TEXT COLLATE "C"  NOT NULL REFERENCES accounts (identity),
    tag             BIGINT            NOT NULL,
    identity_key    BYTEA             NOT NULL CHECK (length(identity_key) = 57),
    client_profile  BYTEA,
    client_expires  BIGINT,
    prekey_profile  BYTEA,
    prekey_expires  BIGINT,
    PRIMARY KEY (identity, tag)
);

-- `message` is NULL once the prekey was handed out or burnt. The row stays, so that the same prekey is never accepted again; `digest` (SHA-256 of the message) tells a repeated publication from another prekey under a
-- used id.
CREATE TABLE prekeys (
    identity  TEXT COLLATE "C"  NOT NULL REFERENCES accounts (identity),
    sequence  BIGINT            GENERATED ALWAYS AS IDENTITY,
    tag       BIGINT            NOT NULL,
    id        BIGINT            NOT NULL,
    digest    BYTEA             NOT NULL CHECK (length(digest) = 32),
    message   BYTEA,
    PRIMARY KEY (identity, sequence),
    UNIQUE (identity, tag, id)
);

-- The oldest prekey of a device, and how many are left, without reading what was handed out.
CREATE INDEX prekeys_left ON prekeys (identity, tag, sequence) WHERE message IS NOT NULL;

-- Exchanges between DAKE-1 and DAKE-3, sealed: whichever server process gets the DAKE-3 goes on with it.
CREATE TABLE pending (
    identity  TEXT COLLATE "C"  NOT NULL REFERENCES accounts (identity),
    tag       BIGINT            NOT NULL,
    begun     BIGINT            NOT NULL,
    exchange  BYTEA             NOT NULL,
    PRIMARY KEY (identity, tag)
);

-- Exchanges that nobody finished are swept by their age.
CREATE INDEX pending_begun ON pending (begun);
