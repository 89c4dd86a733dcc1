//! What a transaction does, in SQL that both databases understand: written once, compiled for each.
//!
//! `Steps` are for one identity. What makes these steps a transaction that nobody else of that identity gets between is
//! the business of each store: SQLite has one writer, in PostgreSQL a transaction begins by locking the account.

/// `Steps` on a connection of `$database`, with the rows they read.
macro_rules! steps {
    ($database:ty) => {
        use crate::account::{Identity, TokenHash};
        use crate::store::{
            ANSWER_LIFETIME, AccountSummary, AnswerKey, Asked, CLOCK_SKEW, Deposit, Device, Forgotten, MAX_DEVICES,
            MAX_PREKEYS, MAX_TOKENS, PAGE, Published, Registered, StoreError, StoredEnsemble, StoredPrekey, answers,
        };
        use otrv4::Timestamp;
        use sha2::{Digest, Sha256};
        use sqlx::{Database, query, query_as, query_scalar};

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
                let done = query(
                    "INSERT INTO accounts (identity, created) VALUES ($1, $2) ON CONFLICT (identity) DO NOTHING",
                )
                .bind(self.identity)
                .bind(now.unix())
                .execute(&mut *self.connection)
                .await?;
                if done.rows_affected() == 0 {
                    return Ok(Registered::Taken);
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
                for prekey in &deposit.prekeys {
                    if !self.insert_prekey(tag, prekey).await? {
                        return Ok(Published::Refused);
                    }
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

            pub(super) async fn take(&mut self, asked: Asked) -> Result<Vec<StoredEnsemble>, StoreError> {
                if let Some(key) = asked.key
                    && let Some(ensembles) = self.answered(key, asked.now).await?
                {
                    return Ok(ensembles);
                }
                let mut ensembles = Vec::new();
                for waiting in self.oldest(asked).await? {
                    let Waiting { sequence, tag, client_profile, prekey_profile, message, .. } = &waiting;
                    // SQLite gives nothing for NULL, where PostgreSQL gives an error.
                    if [client_profile, prekey_profile, message].iter().any(|bytes| bytes.is_empty()) {
                        return Err(StoreError::Corrupt("ensemble"));
                    }
                    if waiting.beyond.is_none() && !self.release(*tag, waiting.reserve_full, asked).await? {
                        continue;
                    }
                    // Whatever came in between, also where nothing was there to be locked: who clears it has it.
                    let cleared = query(
                        "UPDATE prekeys SET message = NULL
                         WHERE identity = $1 AND sequence = $2 AND message IS NOT NULL",
                    )
                    .bind(self.identity)
                    .bind(*sequence)
                    .execute(&mut *self.connection)
                    .await?;
                    if cleared.rows_affected() == 1 {
                        let Waiting { client_profile, prekey_profile, message: prekey, .. } = waiting;
                        ensembles.push(StoredEnsemble { client_profile, prekey_profile, prekey });
                    }
                }
                if let Some(key) = asked.key.filter(|_| !ensembles.is_empty()) {
                    self.keep_answer(key, &ensembles, asked.now).await?;
                }
                Ok(ensembles)
            }

            /// What each device would give.
            async fn oldest(&mut self, asked: Asked) -> Result<Vec<Waiting>, StoreError> {
                let oldest = query_as(
                    "SELECT p.sequence, d.tag, d.client_profile, d.prekey_profile, p.message, d.reserve_full,
                            (SELECT sequence FROM prekeys
                             WHERE identity = d.identity AND tag = d.tag AND message IS NOT NULL
                             ORDER BY sequence LIMIT 1 OFFSET $3) AS beyond
                     FROM devices d JOIN prekeys p ON p.identity = d.identity AND p.sequence = (
                         SELECT sequence FROM prekeys
                         WHERE identity = d.identity AND tag = d.tag AND message IS NOT NULL
                         ORDER BY sequence LIMIT 1)
                     WHERE d.identity = $1 AND d.client_expires > $2 AND d.prekey_expires > $2
                     ORDER BY d.tag",
                )
                .bind(self.identity)
                .bind(asked.now.unix())
                .bind(i64::from(asked.reserve.left))
                .fetch_all(&mut *self.connection)
                .await?;
                Ok(oldest)
            }

            /// Takes one out of the bucket of a device's reserve; false if it has none.
            async fn release(
                &mut self,
                tag: i64,
                full: Option<i64>,
                asked: Asked,
            ) -> Result<bool, StoreError> {
                let now = asked.now.unix().saturating_mul(1000);
                let Ok(full) = asked.reserve.release.spend(full.unwrap_or(now), now) else { return Ok(false) };
                query("UPDATE devices SET reserve_full = $3 WHERE identity = $1 AND tag = $2")
                    .bind(self.identity)
                    .bind(tag)
                    .bind(full)
                    .execute(&mut *self.connection)
                    .await?;
                Ok(true)
            }

            pub(super) async fn answered(
                &mut self,
                key: AnswerKey,
                now: Timestamp,
            ) -> Result<Option<Vec<StoredEnsemble>>, StoreError> {
                // What lies too far ahead comes from a clock that was set back: its age is unknown.
                let answer: Option<Vec<u8>> = query_scalar(
                    "SELECT answer FROM answers WHERE identity = $1 AND key_hash = $2 AND until > $3 AND until <= $4",
                )
                .bind(self.identity)
                .bind(key.as_bytes().as_slice())
                .bind(now.unix())
                .bind(now.plus(ANSWER_LIFETIME + CLOCK_SKEW).unix())
                .fetch_optional(&mut *self.connection)
                .await?;
                answer.map(|bytes| answers::read(&bytes)).transpose()
            }

            async fn keep_answer(
                &mut self,
                key: AnswerKey,
                ensembles: &[StoredEnsemble],
                now: Timestamp,
            ) -> Result<(), StoreError> {
                query(
                    "INSERT INTO answers (identity, key_hash, until, answer) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (identity, key_hash) DO UPDATE SET until = excluded.until, answer = excluded.answer",
                )
                .bind(self.identity)
                .bind(key.as_bytes().as_slice())
                .bind(now.plus(ANSWER_LIFETIME).unix())
                .bind(answers::write(ensembles))
                .execute(&mut *self.connection)
                .await?;
                Ok(())
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

            /// False if the id is known with other bytes. Known with the same bytes, nothing changes: a client that
            /// repeats a publication whose answer it never saw must not bring back what was handed out in between.
            async fn insert_prekey(&mut self, tag: i64, prekey: &StoredPrekey) -> Result<bool, StoreError> {
                let digest: [u8; 32] = Sha256::digest(&prekey.bytes).into();
                let done = query(
                    "INSERT INTO prekeys (identity, tag, id, digest, message) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (identity, tag, id) DO UPDATE SET digest = excluded.digest
                     WHERE prekeys.digest = excluded.digest",
                )
                .bind(self.identity)
                .bind(tag)
                .bind(i64::from(prekey.id))
                .bind(digest.as_slice())
                .bind(prekey.bytes.as_slice())
                .execute(&mut *self.connection)
                .await?;
                Ok(done.rows_affected() == 1)
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
            after: Option<&Identity>,
        ) -> Result<Vec<AccountSummary>, StoreError> {
            let rows: Vec<(String, i64, i64, i64, i64)> = query_as(
                "SELECT identity, created,
                        (SELECT count(*) FROM tokens t WHERE t.identity = a.identity),
                        (SELECT count(*) FROM devices d WHERE d.identity = a.identity),
                        (SELECT count(*) FROM prekeys p WHERE p.identity = a.identity AND p.message IS NOT NULL)
                 FROM accounts a WHERE identity > $1 ORDER BY identity LIMIT $2",
            )
            .bind(after.map_or("", Identity::as_str))
            .bind(i64::try_from(PAGE).unwrap_or(i64::MAX))
            .fetch_all(connection)
            .await?;
            let number = |n| u32::try_from(n).map_err(|_| StoreError::Corrupt("count"));
            rows.into_iter()
                .map(|(identity, created, tokens, devices, prekeys)| {
                    Ok(AccountSummary {
                        identity,
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

        /// The oldest prekey of a device, with what goes out beside it.
        #[derive(sqlx::FromRow)]
        struct Waiting {
            sequence: i64,
            tag: i64,
            client_profile: Vec<u8>,
            prekey_profile: Vec<u8>,
            message: Vec<u8>,
            /// Of its reserve's bucket, in milliseconds since 1970.
            reserve_full: Option<i64>,
            /// The first of those that are not its reserve.
            beyond: Option<i64>,
        }
    };
}
pub(super) use steps;
