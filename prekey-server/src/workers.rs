//! Threads for arithmetic: as many at once as there are processors, a bounded queue before them.

use std::num::NonZero;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How many wait for a processor, at most: at a tenth of a second each, what a client's patience covers.
const MAX_WAITING: usize = 128;

#[derive(Debug)]
pub(crate) struct Workers {
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
        Self { admitted: Semaphore::new(threads + waiting), running: Arc::new(Semaphore::new(threads)) }
    }

    /// Runs it off the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failed> {
        let _admitted = self.admitted.try_acquire().map_err(|_| Failed::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Failed::Busy)?;
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
            async move { workers.run(move || wait.recv().is_ok()).await }
        });
        let second = tokio::spawn({
            let workers = Arc::clone(&workers);
            async move { workers.run(|| true).await }
        });
        while workers.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(workers.run(|| true).await, Err(Failed::Busy));
        go.send(()).expect("the first worker waits");
        assert_eq!(first.await.expect("a task"), Ok(true));
        assert_eq!(second.await.expect("a task"), Ok(true));
        assert_eq!(workers.run(|| true).await, Ok(true));
    }

    #[tokio::test]
    async fn a_panic_costs_no_thread() {
        let workers = Workers::with(1, 0);
        assert_eq!(workers.run(|| panic!("for the test")).await, Err::<(), _>(Failed::Panicked));
        assert_eq!(workers.run(|| 1).await, Ok(1));
    }
}
