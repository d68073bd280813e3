//! Lists of API keys.

use leasehold_kit::auth::{Key, KeyList};

/// A list that is taken is the same when it is written and read again, key by key and as a whole; one that
/// is not is refused without its digests.
pub fn key_lists(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let list = match text.parse::<KeyList>() {
        Ok(list) => list,
        Err(error) => {
            let said = format!("{error} {error:?}");
            for digest in text.split(|c: char| !c.is_ascii_hexdigit()).filter(|hex| hex.len() > 20)
            {
                assert!(!said.contains(digest), "{said}");
            }
            return;
        }
    };
    for key in list.keys() {
        assert_eq!(key.to_string().parse::<Key>().as_ref(), Ok(key));
        for prefix in key.prefixes() {
            assert!(key.covers(prefix) && key.covers(&format!("{prefix}x")), "{key}");
        }
    }
    let lines: Vec<String> = list.keys().iter().map(Key::to_string).collect();
    for separator in ["\n", ",", " ,\r\n"] {
        assert_eq!(lines.join(separator).parse::<KeyList>().as_ref(), Ok(&list));
    }
}
