//! As much of the Redis protocol (RESP2) as it takes to ask and to cut replies apart.

/// A question, as servers read it.
pub(super) fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// The reply at the start of `bytes`; `None` while it has not come whole.
pub(super) fn first_reply(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..reply_end(bytes)?)
}

fn reply_end(bytes: &[u8]) -> Option<usize> {
    let line = bytes.iter().position(|&byte| byte == b'\n')? + 1;
    // Absent values have the length -1 and nothing behind their line.
    let length = || str::from_utf8(bytes.get(1..line.checked_sub(2)?)?).ok()?.parse().ok();
    match (bytes.first()?, length()) {
        (b'$', Some(length)) => Some(line + length + 2),
        (b'*', Some(items)) => {
            (0..items).try_fold(line, |at: usize, _: usize| Some(at + reply_end(bytes.get(at..)?)?))
        }
        _ => Some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_arrays_of_strings() {
        assert_eq!(encode(&["GET", "key"]), b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    }

    #[test]
    fn replies_of_every_kind_are_cut_at_their_ends_and_not_before() {
        let kinds: [&[u8]; 7] = [
            b":1\r\n",
            b"+OK\r\n",
            b"-NOSCRIPT no\r\n",
            b"$-1\r\n",
            b"$4\r\na\r\nb\r\n",
            b"*0\r\n",
            b"*3\r\n:1\r\n$2\r\n:1\r\n*1\r\n+OK\r\n",
        ];
        for kind in kinds {
            let longer = [kind, b":2\r\n"].concat();
            assert_eq!(first_reply(&longer), Some(kind));
            for shorter in 0..kind.len() {
                assert_eq!(first_reply(&kind[..shorter]).map(<[u8]>::len), None, "{shorter}");
            }
        }
    }
}
