//! Tasks that ask, and must come to their end: one that fails asks less, and less would be found.

use anyhow::Context as _;
use tokio::task::JoinSet;

/// Waits for one of them; `None` when there is none left.
///
/// # Errors
/// When it panicked.
pub(crate) async fn next_of<T: 'static>(
    tasks: &mut JoinSet<T>,
    who: &str,
) -> anyhow::Result<Option<T>> {
    let ended = tasks.join_next().await.transpose();
    ended.with_context(|| format!("{who} failed, and with it the run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_panics_is_an_error_and_who_ends_is_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async { 1 });
        assert_eq!(next_of(&mut tasks, "a buyer").await.unwrap(), Some(1));
        assert_eq!(next_of(&mut tasks, "a buyer").await.unwrap(), None);
        tasks.spawn(async { unreachable!("as a buyer with a fault") });
        let error = next_of(&mut tasks, "a buyer").await.unwrap_err();
        assert!(format!("{error:#}").starts_with("a buyer failed"), "{error:#}");
    }
}
