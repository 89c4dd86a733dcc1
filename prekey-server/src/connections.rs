//! The open connections, bounded in number. Where there are too many, the one that has been quiet for the longest time
//! gives way to a new one: whoever opens thousands and says nothing keeps nobody away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    table: Mutex<Table>,
    /// One has ended, or is quiet again.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    open: usize,
    /// Of these, how many have been told to go and have not gone.
    leaving: usize,
    /// Those for which nothing is being done, in the order in which that began.
    quiet: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// One open connection; with the last clone of this it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Place>);

#[derive(Debug)]
struct Place {
    connections: Arc<Connections>,
    /// Its number among the quiet ones, unless it is busy. Told to go, it keeps the number, and is not among them.
    quiet: Mutex<Option<u64>>,
    gives_way: Arc<Notify>,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, table: Mutex::default(), freed: Notify::new() })
    }

    /// A place for one more, for which a quiet one may have to go. If all are busy, one that gets free.
    pub(crate) async fn admit(self: &Arc<Self>) -> Connection {
        loop {
            if let Some(connection) = self.try_admit() {
                return connection;
            }
            self.freed.notified().await;
        }
    }

    fn try_admit(self: &Arc<Self>) -> Option<Connection> {
        let mut table = self.table();
        if table.open >= self.most {
            if table.open - table.leaving >= self.most
                && let Some((_, gives_way)) = table.quiet.pop_first()
            {
                table.leaving += 1;
                gives_way.notify_one();
            }
            return None;
        }
        table.open += 1;
        let gives_way = Arc::new(Notify::new());
        let quiet = Mutex::new(Some(table.add(&gives_way)));
        Some(Connection(Arc::new(Place { connections: Arc::clone(self), quiet, gives_way })))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn add(&mut self, gives_way: &Arc<Notify>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.quiet.insert(number, Arc::clone(gives_way));
        number
    }
}

impl Connection {
    /// Until it has to make room for another one.
    pub(crate) async fn gives_way(&self) {
        self.0.gives_way.notified().await;
    }

    /// A request has come as a whole: as long as it is worked on, the connection stays.
    pub(crate) fn busy(&self) -> Busy {
        let mut quiet = self.0.number();
        if quiet.is_some_and(|number| self.0.connections.table().quiet.remove(&number).is_some()) {
            *quiet = None;
        }
        drop(quiet);
        Busy(self.clone())
    }
}

impl Place {
    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let number = *self.number();
        let mut table = self.connections.table();
        table.open -= 1;
        if number.is_some_and(|number| table.quiet.remove(&number).is_none()) {
            table.leaving -= 1;
        }
        drop(table);
        self.connections.freed.notify_one();
    }
}

/// While this lives, the connection is not quiet; after it, the newest of the quiet ones.
pub(crate) struct Busy(Connection);

impl Drop for Busy {
    fn drop(&mut self) {
        let Place { connections, gives_way, .. } = &*self.0.0;
        self.0.0.number().get_or_insert_with(|| connections.table().add(gives_way));
        // Whoever waits for a place can have this one now.
        connections.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn soon<T>(what: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(50), what).await.ok()
    }

    #[tokio::test]
    async fn the_one_that_is_quiet_for_the_longest_time_gives_way() {
        let connections = Connections::new(2);
        let (first, second) = (connections.admit().await, connections.admit().await);
        drop(first.busy());
        let third = {
            let connections = Arc::clone(&connections);
            tokio::spawn(async move { connections.admit().await })
        };
        soon(second.gives_way()).await.expect("the first has spoken since");
        assert_eq!(soon(first.gives_way()).await, None);
        drop(second);
        let third = third.await.expect("a place");
        assert_eq!(connections.table().open, 2);
        drop((first, third));
        let Table { open, leaving, quiet, next: _ } = &*connections.table();
        assert_eq!((*open, *leaving, quiet.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_busy_one_stays_and_a_new_one_waits() {
        let connections = Connections::new(1);
        let first = connections.admit().await;
        let busy = first.busy();
        assert!(soon(connections.admit()).await.is_none());
        drop(busy);
        assert_eq!(soon(first.gives_way()).await, None, "nobody waits any more");
        drop(first);
        assert!(soon(connections.admit()).await.is_some());
    }

    #[tokio::test]
    async fn one_that_was_busy_when_another_waited_gives_way_when_it_is_done() {
        let connections = Connections::new(1);
        let first = connections.admit().await;
        let busy = first.busy();
        let second = {
            let connections = Arc::clone(&connections);
            tokio::spawn(async move { connections.admit().await })
        };
        tokio::task::yield_now().await;
        drop(busy);
        soon(first.gives_way()).await.expect("another waits");
        drop(first);
        assert!(soon(second).await.is_some());
    }
}
