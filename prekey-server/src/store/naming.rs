//! The row that says how a database writes names, and the way from plain names to hashes, in SQL that both databases
//! understand: written once, compiled for each.

/// Steps on a connection of `$database`; the caller's transaction is around them.
macro_rules! naming {
    ($database:ty) => {
        use crate::store::names::{self, Names};
        use crate::store::StoreError;
        use sqlx::{Database, query, query_scalar};

        type Connection = <$database as Database>::Connection;

        /// Makes sure that names are written like that here. In a database that nobody has used, they are from now on.
        pub(super) async fn settle(connection: &mut Connection, names: Names) -> Result<Names, StoreError> {
            if fits(connection, &names).await? {
                return Ok(names);
            }
            // A server of an older version may have made accounts since the table is here.
            let used: bool = query_scalar("SELECT EXISTS (SELECT 1 FROM accounts)").fetch_one(&mut *connection).await?;
            if used && names.key_check().is_some() {
                return Err(StoreError::PlainNames);
            }
            // Another process may be faster, and have other options.
            query("INSERT INTO naming (id, key_check) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
                .bind(names.key_check())
                .execute(&mut *connection)
                .await?;
            match fits(connection, &names).await? {
                true => Ok(names),
                false => Err(StoreError::Corrupt("row of naming")),
            }
        }

        /// False: nobody has used the database yet.
        async fn fits(connection: &mut Connection, names: &Names) -> Result<bool, StoreError> {
            let row: Option<Option<Vec<u8>>> =
                query_scalar("SELECT key_check FROM naming WHERE id = 1").fetch_optional(connection).await?;
            match (row.as_ref().map(Option::as_deref), names.key_check()) {
                (None, _) => Ok(false),
                (Some(theirs), ours) if theirs == ours => Ok(true),
                (Some(None), _) => Err(StoreError::PlainNames),
                (Some(Some(_)), None) => Err(StoreError::HashedNames),
                (Some(Some(_)), Some(_)) => Err(StoreError::OtherKey),
            }
        }

        /// Writes the hash of each plain name in its place, and says how many there were.
        pub(super) async fn hash_all(connection: &mut Connection, names: &Names) -> Result<u64, StoreError> {
            match fits(connection, names).await {
                Ok(_) | Err(StoreError::PlainNames) => {}
                Err(error) => return Err(error),
            }
            query(
                "INSERT INTO naming (id, key_check) VALUES (1, $1)
                 ON CONFLICT (id) DO UPDATE SET key_check = excluded.key_check",
            )
            .bind(names.key_check())
            .execute(&mut *connection)
            .await?;
            let all: Vec<String> =
                query_scalar("SELECT identity FROM accounts").fetch_all(&mut *connection).await?;
            let mut hashed = 0;
            for plain in all.iter().filter(|name| !names::is_hash(name)) {
                rename(connection, plain, names.of_text(plain).as_str()).await?;
                hashed += 1;
            }
            Ok(hashed)
        }

        /// All that an identity has goes over to an account with the new name.
        async fn rename(connection: &mut Connection, old: &str, new: &str) -> Result<(), StoreError> {
            query("INSERT INTO accounts (identity, created) SELECT $2, created FROM accounts WHERE identity = $1")
                .bind(old)
                .bind(new)
                .execute(&mut *connection)
                .await?;
            for table in [
                "UPDATE tokens SET identity = $2 WHERE identity = $1",
                "UPDATE devices SET identity = $2 WHERE identity = $1",
                "UPDATE prekeys SET identity = $2 WHERE identity = $1",
                "UPDATE answers SET identity = $2 WHERE identity = $1",
            ] {
                query(table).bind(old).bind(new).execute(&mut *connection).await?;
            }
            query("DELETE FROM accounts WHERE identity = $1").bind(old).execute(connection).await?;
            Ok(())
        }
    };
}
pub(super) use naming;
