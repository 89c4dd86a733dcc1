//! Handing out, in SQL that both databases understand: written once, compiled for each.
//!
//! SQLite serves the takes of several identities in one transaction; each statement serves them all, since it is a way to
//! the database and back. PostgreSQL, where no transaction touches two identities, comes with one.

/// `take` and `answered` on a connection of `$database`.
macro_rules! handing_out {
    ($database:ty) => {
        use crate::limits::Reserve;
        use crate::store::{ANSWER_LIFETIME, AnswerKey, CLOCK_SKEW, StoreError, StoredEnsemble, answers};
        use otrv4::Timestamp;
        use sqlx::{Database, QueryBuilder, query};
        use std::collections::{BTreeSet, HashMap, HashSet};

        type Connection = <$database as Database>::Connection;
        type Sql = QueryBuilder<$database>;

        /// Whose ensembles somebody asks for, and the name of the answer, should it be asked for again.
        pub(super) type Take<'a> = (&'a str, Option<AnswerKey>);

        /// What each gets, in their order. No identity is among them twice.
        pub(super) async fn take(
            connection: &mut Connection,
            takes: &[Take<'_>],
            now: Timestamp,
            reserve: Reserve,
        ) -> Result<Vec<Vec<StoredEnsemble>>, StoreError> {
            let mut taken = HashMap::new();
            let mut fresh = Vec::new();
            for (take, known) in takes.iter().zip(answered(connection, takes, now).await?) {
                match known {
                    Some(ensembles) => {
                        taken.insert(take.0, ensembles);
                    }
                    None => fresh.push(*take),
                }
            }
            let chosen = choose(connection, &fresh, now, reserve).await?;
            let cleared = clear(connection, &chosen).await?;
            for waiting in chosen {
                if let Some((identity, _)) = fresh.iter().find(|(identity, _)| *identity == waiting.identity)
                    && cleared.contains(&waiting.sequence)
                {
                    taken.entry(*identity).or_default().push(waiting.ensemble());
                }
            }
            keep_answers(connection, &fresh, &taken, now).await?;
            Ok(takes.iter().map(|(identity, _)| taken.remove(identity).unwrap_or_default()).collect())
        }

        /// What was given for each one's key, while it is kept.
        pub(super) async fn answered(
            connection: &mut Connection,
            takes: &[Take<'_>],
            now: Timestamp,
        ) -> Result<Vec<Option<Vec<StoredEnsemble>>>, StoreError> {
            let keyed: Vec<_> = takes.iter().filter_map(|(identity, key)| Some((*identity, (*key)?))).collect();
            if keyed.is_empty() {
                return Ok(vec![None; takes.len()]);
            }
            let mut select = Sql::new("SELECT identity, key_hash, answer FROM answers WHERE until > ");
            // What lies too far ahead comes from a clock that was set back: its age is unknown.
            select.push_bind(now.unix()).push(" AND until <= ");
            select.push_bind(now.plus(ANSWER_LIFETIME + CLOCK_SKEW).unix());
            // Each pair is looked up once. As two lists each would be looked up with each.
            let mut word = " AND (";
            for (identity, key) in keyed {
                select.push(word).push("(identity = ").push_bind(identity);
                select.push(" AND key_hash = ").push_bind(key.as_bytes().to_vec()).push(")");
                word = " OR ";
            }
            select.push(")");
            let kept: Vec<(String, Vec<u8>, Vec<u8>)> =
                select.build_query_as().fetch_all(&mut *connection).await?;
            let answer_to = |(identity, key): &Take<'_>| {
                let key = (*key)?;
                let (.., answer) =
                    kept.iter().find(|(whose, hash, _)| whose == identity && hash == key.as_bytes())?;
                Some(answers::read(answer))
            };
            takes.iter().map(|take| answer_to(take).transpose()).collect()
        }

        /// What each device gives: its oldest prekey, if that is not held back.
        async fn choose(
            connection: &mut Connection,
            takes: &[Take<'_>],
            now: Timestamp,
            reserve: Reserve,
        ) -> Result<Vec<Waiting>, StoreError> {
            if takes.is_empty() {
                return Ok(Vec::new());
            }
            let mut select = Sql::new(
                "SELECT d.identity, d.tag, p.sequence, d.client_profile, d.prekey_profile, p.message, d.reserve_full,
                        (SELECT sequence FROM prekeys
                         WHERE identity = d.identity AND tag = d.tag AND message IS NOT NULL
                         ORDER BY sequence LIMIT 1 OFFSET ",
            );
            select.push_bind(i64::from(reserve.left)).push(
                ") AS beyond
                 FROM devices d JOIN prekeys p ON p.identity = d.identity AND p.sequence = (
                     SELECT sequence FROM prekeys
                     WHERE identity = d.identity AND tag = d.tag AND message IS NOT NULL
                     ORDER BY sequence LIMIT 1)
                 WHERE d.client_expires > ",
            );
            select.push_bind(now.unix()).push(" AND d.prekey_expires > ").push_bind(now.unix());
            one_of(&mut select, " AND d.identity", takes.iter().map(|(identity, _)| *identity));
            select.push(" ORDER BY d.tag");
            let oldest: Vec<Waiting> = select.build_query_as().fetch_all(&mut *connection).await?;
            let mut chosen = Vec::with_capacity(oldest.len());
            for waiting in oldest {
                // SQLite gives nothing for NULL, where PostgreSQL gives an error.
                if waiting.is_broken() {
                    return Err(StoreError::Corrupt("ensemble"));
                }
                if waiting.beyond.is_some() || release(connection, &waiting, now, reserve).await? {
                    chosen.push(waiting);
                }
            }
            Ok(chosen)
        }

        /// Takes one out of the bucket of a device's reserve; false if it has none.
        async fn release(
            connection: &mut Connection,
            waiting: &Waiting,
            now: Timestamp,
            reserve: Reserve,
        ) -> Result<bool, StoreError> {
            let now = now.unix().saturating_mul(1000);
            let full = waiting.reserve_full.unwrap_or(now);
            let Ok(full) = reserve.release.spend(full, now) else { return Ok(false) };
            query("UPDATE devices SET reserve_full = $3 WHERE identity = $1 AND tag = $2")
                .bind(waiting.identity.as_str())
                .bind(waiting.tag)
                .bind(full)
                .execute(connection)
                .await?;
            Ok(true)
        }

        /// Marks them as handed out. Whatever came in between, also where nothing was there to be locked: who clears one,
        /// of which this tells the sequence, has it.
        async fn clear(connection: &mut Connection, chosen: &[Waiting]) -> Result<HashSet<i64>, StoreError> {
            if chosen.is_empty() {
                return Ok(HashSet::new());
            }
            let mut update = Sql::new("UPDATE prekeys SET message = NULL WHERE message IS NOT NULL");
            let names: BTreeSet<_> = chosen.iter().map(|waiting| waiting.identity.as_str()).collect();
            one_of(&mut update, " AND identity", names.into_iter());
            one_of(&mut update, " AND sequence", chosen.iter().map(|waiting| waiting.sequence));
            update.push(" RETURNING sequence");
            let cleared: Vec<i64> = update.build_query_scalar().fetch_all(connection).await?;
            Ok(cleared.into_iter().collect())
        }

        /// What was given is kept under its key; who got nothing will not have to get the same.
        async fn keep_answers(
            connection: &mut Connection,
            takes: &[Take<'_>],
            taken: &HashMap<&str, Vec<StoredEnsemble>>,
            now: Timestamp,
        ) -> Result<(), StoreError> {
            let answers: Vec<_> = takes
                .iter()
                .filter_map(|(identity, key)| Some((*identity, (*key)?, answers::write(taken.get(identity)?))))
                .collect();
            if answers.is_empty() {
                return Ok(());
            }
            let mut insert = Sql::new("INSERT INTO answers (identity, key_hash, until, answer) ");
            insert.push_values(answers, |mut row, (identity, key, answer)| {
                row.push_bind(identity)
                    .push_bind(key.as_bytes().to_vec())
                    .push_bind(now.plus(ANSWER_LIFETIME).unix())
                    .push_bind(answer);
            });
            insert.push(
                " ON CONFLICT (identity, key_hash) DO UPDATE SET until = excluded.until, answer = excluded.answer",
            );
            insert.build().execute(connection).await?;
            Ok(())
        }

        /// `column IN (…)`: of one value, what says to a database cut by identity which part to ask.
        fn one_of<'a, T>(sql: &mut Sql, column: &'static str, values: impl Iterator<Item = T>)
        where
            T: sqlx::Encode<'a, $database> + sqlx::Type<$database> + 'a,
        {
            sql.push(column).push(" IN (");
            let mut list = sql.separated(", ");
            values.for_each(|value| {
                list.push_bind(value);
            });
            sql.push(")");
        }

        /// The oldest prekey of a device, with what goes out beside it.
        #[derive(sqlx::FromRow)]
        struct Waiting {
            identity: String,
            tag: i64,
            sequence: i64,
            client_profile: Vec<u8>,
            prekey_profile: Vec<u8>,
            message: Vec<u8>,
            /// Of its reserve's bucket, in milliseconds since 1970.
            reserve_full: Option<i64>,
            /// The first of those that are not its reserve.
            beyond: Option<i64>,
        }

        impl Waiting {
            fn is_broken(&self) -> bool {
                [&self.client_profile, &self.prekey_profile, &self.message].iter().any(|bytes| bytes.is_empty())
            }

            fn ensemble(self) -> StoredEnsemble {
                let Self { client_profile, prekey_profile, message: prekey, .. } = self;
                StoredEnsemble { client_profile, prekey_profile, prekey }
            }
        }
    };
}
pub(super) use handing_out;
