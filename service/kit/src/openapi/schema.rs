//! Building blocks of schemas.

use serde_json::{Map, Value, json};

/// Without control characters.
const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// With a year that is accepted.
const FROM_1970_ON: &str = "^(19[7-9]|[2-9][0-9]{2})[0-9]-";

/// A whole number within these limits.
#[must_use]
pub fn integer(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": least, "maximum": most })
}

/// One line of 1 to so many characters, none of them a control character.
#[must_use]
pub fn text(chars_max: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": chars_max, "pattern": PRINTABLE })
}

/// Yes or no.
#[must_use]
pub fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// An id.
#[must_use]
pub fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// A point in time, RFC 3339, of the year 1970 to 9999.
#[must_use]
pub fn moment() -> Value {
    json!({ "type": "string", "format": "date-time", "pattern": FROM_1970_ON })
}

/// One of these words.
#[must_use]
pub fn one_of(names: impl IntoIterator<Item = &'static str>) -> Value {
    json!({ "type": "string", "enum": names.into_iter().collect::<Vec<_>>() })
}

/// The schema of this name among the API's.
#[must_use]
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A list of what the schema of this name describes.
#[must_use]
pub fn list_of(name: &str) -> Value {
    json!({ "type": "array", "items": reference(name) })
}

/// The same, or null.
#[must_use]
pub fn nullable(mut schema: Value) -> Value {
    if schema.get("$ref").is_some() {
        return json!({ "oneOf": [schema, { "type": "null" }] });
    }
    let kind = schema["type"].take();
    schema["type"] = json!([kind, "null"]);
    schema
}

/// The same with further words.
#[must_use]
pub fn with(mut schema: Value, name: &str, value: Value) -> Value {
    schema[name] = value;
    schema
}

/// The value that stands for one that is not given.
#[must_use]
pub fn or_else(schema: Value, default: Value) -> Value {
    with(schema, "default", default)
}

/// A field: its name, what it means, its schema.
pub type Field = (&'static str, &'static str, Value);

/// An object with these fields and no others; all must be there but the optional ones.
#[must_use]
pub fn object(about: &str, fields: Vec<Field>, optional: &[&str]) -> Value {
    let names = fields.iter().map(|(name, ..)| *name);
    let required: Vec<_> = names.filter(|name| !optional.contains(name)).collect();
    let properties: Map<_, _> = fields
        .into_iter()
        .map(|(name, about, schema)| (name.to_owned(), with(schema, "description", json!(about))))
        .collect();
    json!({
        "type": "object",
        "description": about,
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}
