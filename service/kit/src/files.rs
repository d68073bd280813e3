//! Files that may change while a service runs: keys, certificates.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest as _, Sha256};

/// Largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How often files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Files that belong together, such as a certificate and its key.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    /// The digest of what was last read: what is in the files may be secret.
    seen: Option<[u8; 32]>,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} cannot be read: {reason}")]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub reason: io::Error,
}

impl Files {
    /// Files that were not read yet.
    #[must_use]
    pub const fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, seen: None }
    }

    /// What is in the files, in their order; `None` when it is the same as the last time. Contents are
    /// compared, not times: a mount may replace a file by another one of the same age.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read, or is too large. The next time, contents count as changed.
    pub fn read(&mut self) -> Result<Option<Vec<Vec<u8>>>, Unreadable> {
        let before = self.seen.take();
        let mut digest = Sha256::new();
        let mut contents = Vec::new();
        for path in &self.paths {
            let content = read(path).map_err(|reason| Unreadable { path: path.clone(), reason })?;
            digest.update(content.len().to_le_bytes());
            digest.update(&content);
            contents.push(content);
        }
        self.seen = Some(digest.finalize().into());
        Ok((self.seen != before).then_some(contents))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let _bytes = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(content)
}

/// Looks at the files again and again, and hands over what has changed. Contents that are refused,
/// and files that cannot be read, are logged once, and whatever was in use stays so; the gauge
/// `leasehold_file_in_use{file}` is 0 until they are good again.
///
/// Never ends; drop it when the service does.
pub async fn follow<E: fmt::Display>(
    mut files: Files,
    every: Duration,
    what: &'static str,
    mut take_over: impl FnMut(Vec<Vec<u8>>) -> Result<(), E>,
) {
    let gauge = metrics::gauge!("leasehold_file_in_use", "file" => what);
    gauge.set(1);
    let mut said = String::new();
    loop {
        tokio::time::sleep(every).await;
        // A file may be on a network's disk.
        let reading = tokio::task::spawn_blocking(move || {
            let read = files.read();
            (files, read)
        });
        let Ok((back, read)) = reading.await else { return };
        files = back;
        let taken = match read {
            Ok(None) => continue,
            Ok(Some(contents)) => take_over(contents).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match taken {
            Ok(()) => {
                tracing::info!(file = what, "the file has changed and is in use");
                gauge.set(1);
                said.clear();
            }
            Err(error) => {
                if error != said {
                    tracing::error!(file = what, %error, "the file is not taken over");
                }
                gauge.set(0);
                said = error;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[test]
    fn contents_are_told_once_and_again_after_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let mut files = Files::new(vec![a.clone(), b.clone()]);
        fs::write(&a, "12").unwrap();
        assert_eq!(files.read().unwrap_err().path, b);
        fs::write(&b, "3").unwrap();
        let contents = |texts: [&str; 2]| Some(texts.map(|text| text.as_bytes().to_vec()).to_vec());
        assert_eq!(files.read().unwrap(), contents(["12", "3"]));
        assert_eq!(files.read().unwrap(), None);
        fs::write(&a, "1").unwrap();
        fs::write(&b, "23").unwrap();
        assert_eq!(files.read().unwrap(), contents(["1", "23"]));
        fs::rename(&b, folder.path().join("c")).unwrap();
        assert!(files.read().is_err());
        fs::rename(folder.path().join("c"), &b).unwrap();
        assert_eq!(files.read().unwrap(), contents(["1", "23"]));
        fs::write(&b, vec![0; 1024 * 1024 + 1]).unwrap();
        assert!(files.read().unwrap_err().to_string().contains("more than"));
    }

    #[tokio::test]
    async fn a_file_is_followed_over_one_that_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, "one").unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let mut files = Files::new(vec![path.clone()]);
        let _one = files.read().unwrap();
        let offered = Arc::clone(&taken);
        let following = tokio::spawn(follow(files, Duration::from_millis(1), "test", move |new| {
            offered.lock().unwrap().push(String::from_utf8(new[0].clone()).unwrap());
            if new[0] == b"bad" { Err("refused") } else { Ok(()) }
        }));
        for (index, text) in ["bad", "two", "one"].into_iter().enumerate() {
            // In one step, so that no half of it is seen.
            fs::write(folder.path().join("new"), text).unwrap();
            fs::rename(folder.path().join("new"), &path).unwrap();
            let seen = || taken.lock().unwrap().get(index).cloned();
            let limit = std::time::Instant::now() + Duration::from_secs(30);
            while seen().is_none() && std::time::Instant::now() < limit {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(seen().as_deref(), Some(text));
        }
        following.abort();
    }
}
