-- Several tokens an account, so that they can be changed and each client can have its own.
CREATE TABLE tokens (
    identity    TEXT    NOT NULL REFERENCES accounts (identity),
    token_hash  BLOB    NOT NULL CHECK (length(token_hash) = 32),
    created     INTEGER NOT NULL,
    PRIMARY KEY (identity, token_hash)
) STRICT;

INSERT INTO tokens (identity, token_hash, created) SELECT identity, token_hash, created FROM accounts;
ALTER TABLE accounts DROP COLUMN token_hash;
