//! Threads for arithmetic: as many at once as there are processors, a bounded queue before them.

use std::num::NonZero;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many wait for a processor, at most: at a tenth of a second each, what a client's patience covers.
const MAX_WAITING: usize = 128;

#[derive(Debug)]
pub(crate) struct Workers {
    threads: usize,
    most: usize,
    admitted: Semaphore,
    running: Arc<Semaphore>,
}

/// Why work gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    #[error("too much work is waiting")]
    Busy,
    #[error("the work panicked")]
    Panicked,
}

impl Workers {
    pub(crate) fn new() -> Self {
        Self::with(std::thread::available_parallelism().map_or(1, NonZero::get), MAX_WAITING)
    }

    fn with(threads: usize, waiting: usize) -> Self {
        let most = threads + waiting;
        Self { threads, most, admitted: Semaphore::new(most), running: Arc::new(Semaphore::new(threads)) }
    }

    /// How many pieces of work run, and how many wait.
    pub(crate) fn load(&self) -> (usize, usize) {
        let busy = self.threads.saturating_sub(self.running.available_permits());
        (busy, self.most.saturating_sub(self.admitted.available_permits()).saturating_sub(busy))
    }

    /// A place in the queue, or an error at once: who has none has lost nothing yet.
    pub(crate) fn admit(&self) -> Result<Place<'_>, Failed> {
        let admitted = self.admitted.try_acquire().map_err(|_| Failed::Busy)?;
        Ok(Place { _admitted: admitted, running: &self.running })
    }
}

/// The right to have one piece of work done.
pub(crate) struct Place<'a> {
    _admitted: SemaphorePermit<'a>,
    running: &'a Arc<Semaphore>,
}

impl Place<'_> {
    /// Runs it off the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failed> {
        let running = Arc::clone(self.running).acquire_owned().await.map_err(|_| Failed::Busy)?;
        let work = tokio::task::spawn_blocking(move || {
            let _running = running;
            work()
        });
        work.await.map_err(|_| Failed::Panicked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn work_past_the_queue_is_refused_and_the_rest_is_done() {
        let workers = Arc::new(Workers::with(1, 1));
        let (go, wait) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let workers = Arc::clone(&workers);
            async move { workers.admit()?.run(move || wait.recv().is_ok()).await }
        });
        let second = tokio::spawn({
            let workers = Arc::clone(&workers);
            async move { workers.admit()?.run(|| true).await }
        });
        while workers.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(workers.admit().err(), Some(Failed::Busy));
        assert_eq!(workers.load(), (1, 1));
        go.send(()).expect("the first worker waits");
        assert_eq!(first.await.expect("a task"), Ok(true));
        assert_eq!(second.await.expect("a task"), Ok(true));
        assert_eq!(workers.admit().expect("a place").run(|| true).await, Ok(true));
        assert_eq!(workers.load(), (0, 0));
    }

    #[tokio::test]
    async fn a_panic_costs_no_thread() {
        let workers = Workers::with(1, 0);
        let panicking = workers.admit().expect("a place").run(|| panic!("for the test"));
        assert_eq!(panicking.await, Err::<(), _>(Failed::Panicked));
        assert_eq!(workers.admit().expect("a place").run(|| 1).await, Ok(1));
    }
}
