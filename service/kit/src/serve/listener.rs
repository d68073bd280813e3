//! Where clients connect: a port, or a socket in the file system.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Where clients connect.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A socket in the file system, which is removed once nobody listens there any more.
    Unix(UnixListener, SocketFile),
}

/// The file of a socket. Dropping it removes the file, unless it is another's by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    made: Option<(u64, u64)>,
}

/// Which file it is, under whatever name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// A client's connection.
pub(super) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Listener {
    /// Listens on a socket at this path, which only the user of this process may connect to (0600). A
    /// socket that another process left there is replaced, if nobody listens on it any more.
    ///
    /// # Errors
    ///
    /// When something else is there, somebody listens there, or the folder cannot be written to.
    pub async fn unix(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "something that is no socket is there",
                ));
            }
            Ok(_) => match UnixStream::connect(path).await {
                // Nobody listens: whoever did is gone.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)?;
                }
                // Also somebody who is too busy to answer.
                _ => {
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there"));
                }
            },
            Err(_) => {}
        }
        // Under a name that nobody knows, until its permissions are right.
        let hidden = path.with_extension(format!("{}.new", std::process::id()));
        let listener = UnixListener::bind(&hidden)?;
        let shown = fs::set_permissions(&hidden, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&hidden, path));
        if let Err(error) = shown {
            let _gone = fs::remove_file(&hidden);
            return Err(error);
        }
        let file = SocketFile { path: path.to_owned(), made: identity(path) };
        Ok(Self::Unix(listener, file))
    }

    pub(super) async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(listener) => {
                listener.accept().await.map(|(stream, _)| Connection::Tcp(stream))
            }
            Self::Unix(listener, _) => {
                listener.accept().await.map(|(stream, _)| Connection::Unix(stream))
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.made.is_some() && identity(&self.path) == self.made {
            let _gone = fs::remove_file(&self.path);
        }
    }
}
