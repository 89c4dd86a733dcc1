//! What a transaction does, in SQL that both databases understand: written once, compiled for each.
//!
//! `Steps` are for one identity. What makes these steps a transaction that nobody else of that identity gets between is
//! the business of each store: SQLite has one writer, in PostgreSQL a transaction begins by locking the account.

/// `Steps` on a connection of `$database`.
macro_rules! steps {
    ($database:ty) => {
        use crate::account::TokenHash;
        use crate::store::{
            AccountSummary, Deposit, Device, Forgotten, MAX_DEVICES, MAX_PREKEYS, MAX_TOKENS, PAGE, Published, Registered,
            StoreError, StoredName, StoredPrekey, names,
        };
        use otrv4::Timestamp;
        use sha2::{Digest, Sha256};
        use sqlx::{Database, QueryBuilder, query, query_as, query_scalar};

        /// Most rows of one statement: each is a way to the database and back.
        const ROWS: usize = 50;

        /// The steps of one transaction on one identity's rows.
        pub(super) struct Steps<'a> {
            pub(super) connection: &'a mut <$database as Database>::Connection,
            pub(super) identity: &'a str,
        }

        impl Steps<'_> {
            pub(super) async fn register(
                &mut self,
                token: Option<&TokenHash>,
                now: Timestamp,
            ) -> Result<Registered, StoreError> {
                // All other tables refer to this one: what cannot get in here gets in nowhere.
                let done = query(
                    "INSERT INTO accounts (identity, created) SELECT $1, $2
                     WHERE NOT EXISTS (SELECT 1 FROM naming WHERE (key_check IS NOT NULL) <> $3)
                     ON CONFLICT (identity) DO NOTHING",
                )
                .bind(self.identity)
                .bind(now.unix())
                .bind(names::is_hash(self.identity))
                .execute(&mut *self.connection)
                .await?;
                if done.rows_affected() == 0 {
                    return if self.is_account().await? { Ok(Registered::Taken) } else { Err(StoreError::Renamed) };
                }
                if let Some(token) = token {
                    self.insert_token(token, now).await?;
                }
                Ok(Registered::Created)
            }

            pub(super) async fn tokens(&mut self) -> Result<Vec<TokenHash>, StoreError> {
                let rows: Vec<Vec<u8>> =
                    query_scalar("SELECT token_hash FROM tokens WHERE identity = $1 ORDER BY created, token_hash")
                        .bind(self.identity)
                        .fetch_all(&mut *self.connection)
                        .await?;
                rows.into_iter()
                    .map(|bytes| <[u8; 32]>::try_from(bytes).map(TokenHash::from_bytes))
                    .collect::<Result<_, _>>()
                    .map_err(|_| StoreError::Corrupt("token hash"))
            }

            /// False if there is no such account, or if it has as many tokens as it may have.
            pub(super) async fn add_token(
                &mut self,
                token: &TokenHash,
                now: Timestamp,
            ) -> Result<bool, StoreError> {
                let room = self.is_account().await? && self.tokens().await?.len() < MAX_TOKENS;
                if room {
                    self.insert_token(token, now).await?;
                }
                Ok(room)
            }

            /// The account's only token from now on; false if there is no such account.
            pub(super) async fn replace_tokens(
                &mut self,
                token: &TokenHash,
                now: Timestamp,
            ) -> Result<bool, StoreError> {
                let known = self.is_account().await?;
                if known {
                    self.delete("DELETE FROM tokens WHERE identity = $1").await?;
                    self.insert_token(token, now).await?;
                }
                Ok(known)
            }

            pub(super) async fn remove(&mut self) -> Result<bool, StoreError> {
                for table in [
                    "DELETE FROM answers WHERE identity = $1",
                    "DELETE FROM prekeys WHERE identity = $1",
                    "DELETE FROM devices WHERE identity = $1",
                    "DELETE FROM tokens WHERE identity = $1",
                ] {
                    self.delete(table).await?;
                }
                Ok(self.delete("DELETE FROM accounts WHERE identity = $1").await? > 0)
            }

            pub(super) async fn publish(
                &mut self,
                deposit: &Deposit,
                now: Timestamp,
            ) -> Result<Published, StoreError> {
                if !self.is_account().await? {
                    return Ok(Published::Refused);
                }
                let tag = i64::from(deposit.device.tag);
                self.drop_if_key_changed(tag, &deposit.device).await?;
                self.upsert_device(tag, deposit).await?;
                if !self.insert_prekeys(tag, &deposit.prekeys).await? {
                    return Ok(Published::Refused);
                }
                if !self.within_limits().await? {
                    self.drop_expired_others(tag, now).await?;
                    if !self.within_limits().await? {
                        return Ok(Published::Refused);
                    }
                }
                Ok(Published::Stored)
            }

            pub(super) async fn count(&mut self, device: &Device) -> Result<u32, StoreError> {
                let count: i64 = query_scalar(
                    "SELECT count(*) FROM prekeys JOIN devices USING (identity, tag)
                     WHERE identity = $1 AND tag = $2 AND identity_key = $3 AND message IS NOT NULL",
                )
                .bind(self.identity)
                .bind(i64::from(device.tag))
                .bind(device.identity_key.as_slice())
                .fetch_one(&mut *self.connection)
                .await?;
                u32::try_from(count).map_err(|_| StoreError::Corrupt("count"))
            }

            /// What was handed out stays known: the device may come back.
            pub(super) async fn forget_expired(&mut self, ended: Timestamp) -> Result<Forgotten, StoreError> {
                let devices = query("DELETE FROM devices WHERE identity = $1 AND client_expires <= $2")
                    .bind(self.identity)
                    .bind(ended.unix())
                    .execute(&mut *self.connection)
                    .await?
                    .rows_affected();
                let prekeys = if devices > 0 { self.drop_orphans().await? } else { 0 };
                Ok(Forgotten { devices, prekeys })
            }

            pub(super) async fn is_account(&mut self) -> Result<bool, StoreError> {
                let row: Option<i64> = query_scalar("SELECT created FROM accounts WHERE identity = $1")
                    .bind(self.identity)
                    .fetch_optional(&mut *self.connection)
                    .await?;
                Ok(row.is_some())
            }

            async fn insert_token(&mut self, token: &TokenHash, now: Timestamp) -> Result<(), StoreError> {
                query("INSERT INTO tokens (identity, token_hash, created) VALUES ($1, $2, $3)")
                    .bind(self.identity)
                    .bind(token.as_bytes().as_slice())
                    .bind(now.unix())
                    .execute(&mut *self.connection)
                    .await?;
                Ok(())
            }

            /// How many rows went.
            async fn delete(&mut self, statement: &'static str) -> Result<u64, StoreError> {
                let done = query(statement).bind(self.identity).execute(&mut *self.connection).await?;
                Ok(done.rows_affected())
            }

            /// Profiles are signed by the long-term key and prekeys are used with it: under another key they are useless.
            async fn drop_if_key_changed(&mut self, tag: i64, device: &Device) -> Result<(), StoreError> {
                let gone = query("DELETE FROM devices WHERE identity = $1 AND tag = $2 AND identity_key <> $3")
                    .bind(self.identity)
                    .bind(tag)
                    .bind(device.identity_key.as_slice())
                    .execute(&mut *self.connection)
                    .await?;
                if gone.rows_affected() > 0 {
                    self.drop_orphans().await?;
                }
                Ok(())
            }

            /// Waiting prekeys without a device. Those that were handed out stay known.
            async fn drop_orphans(&mut self) -> Result<u64, StoreError> {
                self.delete(
                    "DELETE FROM prekeys WHERE identity = $1 AND message IS NOT NULL AND NOT EXISTS (
                         SELECT 1 FROM devices d WHERE d.identity = prekeys.identity AND d.tag = prekeys.tag)",
                )
                .await
            }

            async fn upsert_device(&mut self, tag: i64, deposit: &Deposit) -> Result<(), StoreError> {
                let client = deposit.client_profile.as_ref();
                let prekey = deposit.prekey_profile.as_ref();
                query(
                    "INSERT INTO devices
                         (identity, tag, identity_key, client_profile, client_expires, prekey_profile, prekey_expires)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)
                     ON CONFLICT (identity, tag) DO UPDATE SET
                         client_profile = coalesce(excluded.client_profile, devices.client_profile),
                         client_expires = coalesce(excluded.client_expires, devices.client_expires),
                         prekey_profile = coalesce(excluded.prekey_profile, devices.prekey_profile),
                         prekey_expires = coalesce(excluded.prekey_expires, devices.prekey_expires)",
                )
                .bind(self.identity)
                .bind(tag)
                .bind(deposit.device.identity_key.as_slice())
                .bind(client.map(|profile| profile.bytes.as_slice()))
                .bind(client.map(|profile| profile.expires.unix()))
                .bind(prekey.map(|profile| profile.bytes.as_slice()))
                .bind(prekey.map(|profile| profile.expires.unix()))
                .execute(&mut *self.connection)
                .await?;
                Ok(())
            }

            /// False if an id is known with other bytes. Known with the same bytes, nothing changes: a client that
            /// repeats a publication whose answer it never saw must not bring back what was handed out in between.
            async fn insert_prekeys(&mut self, tag: i64, prekeys: &[StoredPrekey]) -> Result<bool, StoreError> {
                for rows in prekeys.chunks(ROWS) {
                    let mut insert = QueryBuilder::new("INSERT INTO prekeys (identity, tag, id, digest, message) ");
                    insert.push_values(rows, |mut row, prekey| {
                        let digest: [u8; 32] = Sha256::digest(&prekey.bytes).into();
                        row.push_bind(self.identity)
                            .push_bind(tag)
                            .push_bind(i64::from(prekey.id))
                            .push_bind(digest.to_vec())
                            .push_bind(prekey.bytes.as_slice());
                    });
                    insert.push(
                        " ON CONFLICT (identity, tag, id) DO UPDATE SET digest = excluded.digest
                          WHERE prekeys.digest = excluded.digest",
                    );
                    let done = insert.build().execute(&mut *self.connection).await?;
                    if usize::try_from(done.rows_affected()) != Ok(rows.len()) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }

            async fn within_limits(&mut self) -> Result<bool, StoreError> {
                let (devices, prekeys): (i64, i64) = query_as(
                    "SELECT (SELECT count(*) FROM devices WHERE identity = $1),
                            (SELECT count(*) FROM prekeys WHERE identity = $1 AND message IS NOT NULL)",
                )
                .bind(self.identity)
                .fetch_one(&mut *self.connection)
                .await?;
                Ok(devices <= i64::from(MAX_DEVICES) && prekeys <= i64::from(MAX_PREKEYS))
            }

            /// Clients that are gone for good never say so; what they left gives way, so that they cannot lock out new
            /// ones.
            async fn drop_expired_others(&mut self, tag: i64, now: Timestamp) -> Result<(), StoreError> {
                query("DELETE FROM devices WHERE identity = $1 AND tag <> $2 AND coalesce(client_expires, 0) <= $3")
                    .bind(self.identity)
                    .bind(tag)
                    .bind(now.unix())
                    .execute(&mut *self.connection)
                    .await?;
                self.drop_orphans().await?;
                Ok(())
            }
        }

        /// A page of the list of accounts.
        pub(super) async fn accounts(
            connection: &mut <$database as Database>::Connection,
            after: Option<&StoredName>,
        ) -> Result<Vec<AccountSummary>, StoreError> {
            let rows: Vec<(String, i64, i64, i64, i64)> = query_as(
                "SELECT identity, created,
                        (SELECT count(*) FROM tokens t WHERE t.identity = a.identity),
                        (SELECT count(*) FROM devices d WHERE d.identity = a.identity),
                        (SELECT count(*) FROM prekeys p WHERE p.identity = a.identity AND p.message IS NOT NULL)
                 FROM accounts a WHERE identity > $1 ORDER BY identity LIMIT $2",
            )
            .bind(after.map_or("", StoredName::as_str))
            .bind(i64::try_from(PAGE).unwrap_or(i64::MAX))
            .fetch_all(connection)
            .await?;
            let number = |n| u32::try_from(n).map_err(|_| StoreError::Corrupt("count"));
            rows.into_iter()
                .map(|(identity, created, tokens, devices, prekeys)| {
                    Ok(AccountSummary {
                        identity: StoredName::from_row(identity),
                        created: Timestamp::from_unix(created),
                        tokens: number(tokens)?,
                        devices: number(devices)?,
                        prekeys: number(prekeys)?,
                    })
                })
                .collect()
        }

        /// Answers of whomever that cannot be had again any more.
        pub(super) async fn sweep_answers(
            connection: &mut <$database as Database>::Connection,
            now: Timestamp,
            most: u32,
        ) -> Result<u64, StoreError> {
            let swept = query(
                "DELETE FROM answers WHERE (identity, key_hash) IN (
                     SELECT identity, key_hash FROM answers WHERE until <= $1 ORDER BY until LIMIT $2)",
            )
            .bind(now.unix())
            .bind(i64::from(most))
            .execute(connection)
            .await?;
            Ok(swept.rows_affected())
        }

        /// Marks every waiting prekey of everybody as handed out.
        pub(super) async fn burn(
            connection: &mut <$database as Database>::Connection,
        ) -> Result<u64, StoreError> {
            query("DELETE FROM answers").execute(&mut *connection).await?;
            let burnt =
                query("UPDATE prekeys SET message = NULL WHERE message IS NOT NULL").execute(connection).await?;
            Ok(burnt.rows_affected())
        }
    };
}
pub(super) use steps;
