-- Answers to queries that came with a key: who repeats one within a minute gets the same. `key_hash` is SHA-256 of key and
-- query.
CREATE TABLE answers (
    identity  TEXT    NOT NULL REFERENCES accounts (identity),
    key_hash  BLOB    NOT NULL CHECK (length(key_hash) = 32),
    until     INTEGER NOT NULL,
    answer    BLOB    NOT NULL,
    PRIMARY KEY (identity, key_hash)
) STRICT;

-- They are swept by their age.
CREATE INDEX answers_until ON answers (until);

-- When the bucket will be full out of which the last prekeys of a client are released, in milliseconds since 1970; NULL: it
-- is full.
ALTER TABLE devices ADD COLUMN reserve_full INTEGER;
