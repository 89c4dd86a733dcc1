-- How identities are written in all other tables: as they are, where `key_check` is NULL, or as keyed hashes. `key_check` tells
-- one key from another, and says nothing else of it. No row: nobody has used the database yet. The one table that is about
-- no identity: a cluster has it whole on every machine.
-- It may be there already: `pg_restore --clean` of an older dump does not drop what that dump does not know.
DROP TABLE IF EXISTS naming;
CREATE TABLE naming (
    id         BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
    key_check  BYTEA   CHECK (length(key_check) = 32)
);

-- Whoever has accounts already has them under their names.
INSERT INTO naming (id, key_check) SELECT 1, NULL WHERE EXISTS (SELECT 1 FROM accounts);
