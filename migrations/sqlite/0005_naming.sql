-- How identities are written in all other tables: as they are, where `key_check` is NULL, or as keyed hashes. `key_check` tells
-- one key from another, and says nothing else of it. No row: nobody has used the database yet.
CREATE TABLE naming (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    key_check  BLOB    CHECK (length(key_check) = 32)
) STRICT;

-- Whoever has accounts already has them under their names.
INSERT INTO naming (id, key_check) SELECT 1, NULL WHERE EXISTS (SELECT 1 FROM accounts);
