//! What an operator wants to know of a database, and what is swept out of it, in SQL that both databases understand: written
//! once, compiled for each. Nothing here changes anything; what is deleted is in `steps.rs`.

/// Questions to a connection of `$database`.
macro_rules! overview {
    ($database:ty) => {
        use crate::store::{Empty, Figures, StoreError, StoredName};
        use otrv4::Timestamp;
        use sqlx::{Database, query_as, query_scalar};

        type Connection = <$database as Database>::Connection;

        /// What can be counted in the tables that both databases have.
        pub(super) async fn figures(connection: &mut Connection) -> Result<Figures, StoreError> {
            let (accounts, devices, drained, waiting, handed_out): (i64, i64, i64, i64, i64) = query_as(
                "SELECT (SELECT count(*) FROM accounts),
                        (SELECT count(*) FROM devices),
                        (SELECT count(*) FROM devices d WHERE NOT EXISTS (
                             SELECT 1 FROM prekeys p
                             WHERE p.identity = d.identity AND p.tag = d.tag AND p.message IS NOT NULL)),
                        (SELECT count(*) FROM prekeys WHERE message IS NOT NULL),
                        (SELECT count(*) FROM prekeys WHERE message IS NULL)",
            )
            .fetch_one(connection)
            .await?;
            Ok(Figures {
                accounts: number(accounts)?,
                devices: number(devices)?,
                drained: number(drained)?,
                waiting: number(waiting)?,
                handed_out: number(handed_out)?,
                ..Figures::default()
            })
        }

        pub(super) fn number(n: i64) -> Result<u64, StoreError> {
            u64::try_from(n).map_err(|_| StoreError::Corrupt("count"))
        }

        /// Why there was nothing to take.
        pub(super) async fn why_empty(
            connection: &mut Connection,
            identity: &StoredName,
            now: Timestamp,
        ) -> Result<Empty, StoreError> {
            let (takeable, waiting, known): (bool, bool, bool) = query_as(
                "SELECT EXISTS (SELECT 1 FROM devices d JOIN prekeys p ON p.identity = d.identity AND p.tag = d.tag
                                WHERE d.identity = $1 AND d.client_expires > $2 AND d.prekey_expires > $2
                                  AND p.message IS NOT NULL),
                        EXISTS (SELECT 1 FROM prekeys WHERE identity = $1 AND message IS NOT NULL),
                        EXISTS (SELECT 1 FROM prekeys WHERE identity = $1)",
            )
            .bind(identity.as_str())
            .bind(now.unix())
            .fetch_one(connection)
            .await?;
            Ok(match (takeable, waiting, known) {
                (true, ..) => Empty::Reserved,
                (false, true, _) => Empty::NoProfiles,
                (false, false, true) => Empty::Drained,
                (false, false, false) => Empty::Unknown,
            })
        }

        /// Who has a device whose client profile ended then or before.
        pub(super) async fn expired(
            connection: &mut Connection,
            ended: Timestamp,
            after: Option<&StoredName>,
            most: u32,
        ) -> Result<Vec<StoredName>, StoreError> {
            let names: Vec<String> = query_scalar(
                "SELECT DISTINCT identity FROM devices WHERE client_expires <= $1 AND identity > $2
                 ORDER BY identity LIMIT $3",
            )
            .bind(ended.unix())
            .bind(after.map_or("", StoredName::as_str))
            .bind(i64::from(most))
            .fetch_all(connection)
            .await?;
            Ok(names.into_iter().map(StoredName::from_row).collect())
        }
    };
}
pub(super) use overview;
