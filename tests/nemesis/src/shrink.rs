//! Finds few faults that still go wrong.
//!
//! Source: Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing input" (ddmin).

/// Drops faults for as long as what is left still `fails`, and returns what is left: with any one
/// part fewer it was not seen to fail. `fails` is asked some `n log n` times for `n` faults, at worst
/// `n²`.
pub async fn shrink<T: Clone>(whole: Vec<T>, mut fails: impl AsyncFnMut(&[T]) -> bool) -> Vec<T> {
    let mut left = whole;
    let mut parts = 2;
    while left.len() >= 2 {
        let size = left.len().div_ceil(parts);
        let mut without = None;
        for start in (0..left.len()).step_by(size) {
            let end = (start + size).min(left.len());
            let rest = [&left[..start], &left[end..]].concat();
            if fails(&rest).await {
                without = Some(rest);
                break;
            }
        }
        match without {
            Some(rest) => {
                left = rest;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(left.len()),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shrunk(whole: u32, needed: &[u32]) -> (Vec<u32>, u32) {
        let mut asked = 0;
        let left = shrink((0..whole).collect(), async |some: &[u32]| {
            asked += 1;
            needed.iter().all(|one| some.contains(one))
        });
        let left = left.await;
        (left, asked)
    }

    #[tokio::test]
    async fn what_is_needed_is_left_and_nothing_else() {
        for needed in [&[3][..], &[0, 99], &[17, 18, 60], &[]] {
            let (left, asked) = shrunk(100, needed).await;
            // Of none needed one is left: nobody asks for no fault at all.
            let least = if needed.is_empty() { 1 } else { needed.len() };
            assert_eq!(left.len(), least, "{left:?}");
            assert!(needed.iter().all(|one| left.contains(one)));
            assert!(asked < 120, "{asked} runs");
        }
    }
}
