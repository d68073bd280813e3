//! Why something cannot be read, in a client's words: the library that reads names our own types.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How much of a name that a client made up is repeated to it, in characters.
const NAME_CHARS_SHOWN: usize = 64;

/// What a number must be.
const INTEGER: &str = "an integer within its limits";

/// Reads an object; the error is a sentence that names the field.
pub(super) fn read<T: DeserializeOwned>(mut object: Map<String, Value>) -> Result<T, String> {
    object.values_mut().for_each(make_whole);
    serde_path_to_error::deserialize(Value::Object(object))
        .map_err(|error| explained(&error.path().to_string(), &error.inner().to_string()))
}

/// Writes 2.0 as 2: to JSON both are the same integer, and some languages know no other way to write it.
fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
            if let Some(Ok(whole)) = float.map(|float| format!("{float:.0}").parse::<i64>()) {
                *value = whole.into();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(make_whole),
        Value::Object(object) => object.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// What the library says of a field, in our words.
pub(super) fn explained(path: &str, said: &str) -> String {
    if let Some(name) = named(said, "missing field `") {
        return match path {
            "." | "" => format!("{name} must be given"),
            above => format!("{above}.{name} must be given"),
        };
    }
    if let Some(name) = named(said, "unknown field `") {
        return format!("\"{}\" is not known here", shown(name));
    }
    if let Some(repeated) = repeated(said) {
        return repeated;
    }
    let expected = said.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    let must_be = match expected {
        "i64" => INTEGER,
        "a boolean" => "true or false",
        "a sequence" => "a list",
        text if text.contains("string") => "a string",
        text if text.starts_with("struct") => "an object",
        // A choice of words, each in backquotes.
        text if text.starts_with('`') || text.starts_with("one of `") => text,
        _ => "of another type",
    };
    format!("{path} must be {must_be}")
}

/// What to say when the library says that a name stands twice.
pub(super) fn repeated(said: &str) -> Option<String> {
    named(said, "duplicate field `").map(|name| format!("{} must be given once", shown(name)))
}

/// The name that follows these words in backquotes.
fn named<'a>(said: &'a str, words: &str) -> Option<&'a str> {
    said.split_once(words).and_then(|(_, rest)| rest.split('`').next())
}

/// What is said of a number that is too large to be read.
pub(super) fn out_of_range(path: &str) -> String {
    format!("{} must be {INTEGER}", shown(path))
}

fn shown(name: &str) -> String {
    name.chars().take(NAME_CHARS_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        quantity: i64,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Policy {
        #[default]
        Refuse,
        Continue,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        buyer: String,
        partial: bool,
        lines: Vec<Inner>,
        inner: Option<Inner>,
        policy: Policy,
    }

    fn said(value: Value) -> String {
        let Value::Object(object) = value else { unreachable!() };
        read::<Outer>(object).unwrap_err()
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_fraction_of_nothing() {
        let Value::Object(object) = json!({"lines": [{"quantity": 2.0}, {"quantity": -0.0}]})
        else {
            unreachable!()
        };
        let read: Outer = read(object).unwrap();
        assert_eq!(read.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [2, 0]);
        for kept in [json!(1.5), json!(1e30), json!(-1e30)] {
            let mut value = kept.clone();
            make_whole(&mut value);
            assert_eq!(value, kept);
        }
    }

    #[test]
    fn the_field_is_named_and_no_type_of_ours_is() {
        for (value, words) in [
            (json!({"buyer": 7}), "buyer must be a string"),
            (json!({"buyer": null}), "buyer must be a string"),
            (json!({"partial": "yes"}), "partial must be true or false"),
            (json!({"lines": 1}), "lines must be a list"),
            (
                json!({"lines": [{"quantity": 1}, {"quantity": "1"}]}),
                "lines[1].quantity must be an integer within its limits",
            ),
            (
                json!({"lines": [{"quantity": 1.5}]}),
                "lines[0].quantity must be an integer within its limits",
            ),
            (json!({"lines": ["x"]}), "lines[0] must be an object"),
            (json!({"inner": "x"}), "inner must be an object"),
            (json!({"inner": {}}), "inner.quantity must be given"),
            (json!({"policy": "x"}), "policy must be `refuse` or `continue`"),
            (json!({"surplus": 1}), "\"surplus\" is not known here"),
        ] {
            assert_eq!(said(value.clone()), words, "{value}");
        }
    }
}
