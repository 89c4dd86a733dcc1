-- Answers to queries that came with a key: who repeats one within a minute gets the same. `key_hash` is SHA-256 of key and
-- query.
CREATE TABLE answers (
    identity  TEXT COLLATE "C"  NOT NULL REFERENCES accounts (identity),
    key_hash  BYTEA             NOT NULL CHECK (length(key_hash) = 32),
    until     BIGINT            NOT NULL,
    answer    BYTEA             NOT NULL,
    PRIMARY KEY (identity, key_hash)
);

-- They are swept by their age.
CREATE INDEX answers_until ON answers (until);

-- When the bucket will be full out of which the last prekeys of a client are released, in milliseconds since 1970; NULL: it
-- is full.
ALTER TABLE devices ADD COLUMN reserve_full BIGINT;

-- Token buckets that all servers share. `subject` is a keyed hash: no address and no identity lies here. `full_at`, in
-- milliseconds since 1970, is when the bucket will be full again; one that is not here is full. UNLOGGED: no request waits for
-- the disk because of it, and after a crash all buckets are full.
CREATE UNLOGGED TABLE limits (
    subject  BYTEA   NOT NULL PRIMARY KEY,
    full_at  BIGINT  NOT NULL
);

-- Full ones are swept.
CREATE INDEX limits_full_at ON limits (full_at);
