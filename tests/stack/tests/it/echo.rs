//! A server that echoes and remembers, for tests of what lies before it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::LIMIT;

/// Sends back what it gets, and keeps what it got, connection by connection.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::<Vec<u8>>::new()));
        let all = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let index = {
                    let mut all = all.lock().unwrap();
                    all.push(Vec::new());
                    all.len() - 1
                };
                tokio::spawn(echo(stream, Arc::clone(&all), index));
            }
        });
        Self { address, heard }
    }

    pub(crate) fn heard(&self, connection: usize) -> String {
        let heard = self.heard.lock().unwrap();
        let bytes = heard.get(connection).cloned().unwrap_or_default();
        String::from_utf8(bytes).unwrap()
    }

    pub(crate) async fn hears(&self, connection: usize, wanted: &str) {
        let begun = Instant::now();
        while self.heard(connection) != wanted {
            let heard = self.heard(connection);
            assert!(begun.elapsed() < LIMIT, "{heard:?} instead of {wanted:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn echo(mut stream: TcpStream, heard: Arc<Mutex<Vec<Vec<u8>>>>, index: usize) {
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        heard.lock().unwrap()[index].extend(&buffer[..count]);
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
