//! From a JSON schema of the API: values that it does not allow, one thing wrong with each.

use serde_json::{Value, json};

/// Stands where a value is put that cannot be built as JSON here, as 1e400.
const HOLE: &str = "\u{1}hole\u{1}";

/// A value that is wrong in one way, as JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Bad {
    pub(crate) text: String,
    /// What the answer must name.
    pub(crate) field: String,
}

/// The schemas that others refer to.
pub(crate) struct Schemas<'a>(pub(crate) &'a Value);

impl Schemas<'_> {
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let Some(reference) = schema["$ref"].as_str() else { return schema };
        &self.0[reference.rsplit('/').next().unwrap()]
    }

    /// Everything that is wrong as an object of this schema, put into an object that is right.
    pub(crate) fn bad_objects(&self, schema: &Value, right: &Value) -> Vec<Bad> {
        let schema = self.resolve(schema);
        let mut bad = vec![with(right, "surplus", "1", "surplus")];
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, property) in schema["properties"].as_object().unwrap() {
            if required.iter().any(|required| required == name) {
                let mut without = right.clone();
                let _value = without.as_object_mut().unwrap().remove(name);
                bad.push(Bad { text: without.to_string(), field: name.clone() });
            }
            let values = self.bad_values(property, name);
            bad.extend(values.iter().map(|value| with(right, name, &value.text, &value.field)));
        }
        bad
    }

    fn bad_values(&self, schema: &Value, name: &str) -> Vec<Bad> {
        if let Some(choices) = schema["oneOf"].as_array() {
            // Of a thing and null.
            let thing = choices.iter().find(|choice| choice["type"] != "null").unwrap();
            let values = self.bad_values(thing, name);
            return values.into_iter().filter(|value| value.text != "null").collect();
        }
        let schema = self.resolve(schema);
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().map(|kind| kind.as_str().unwrap()).collect(),
            kind => vec![kind.as_str().unwrap()],
        };
        let any = [
            ("null", "null"),
            ("string", "\"x\""),
            ("integer", "7"),
            ("boolean", "true"),
            ("array", "[]"),
            ("object", "{}"),
        ];
        let others = any.iter().filter(|(kind, _)| !types.contains(kind));
        let mut texts: Vec<String> = others.map(|(_, text)| (*text).to_owned()).collect();
        let mut inner = Vec::new();
        for kind in types {
            match kind {
                "integer" => texts.extend(bad_integers(schema)),
                "string" => texts.extend(bad_strings(schema)),
                "array" => {
                    texts.extend(self.bad_lengths(schema));
                    let items = self.bad_values(&schema["items"], name).into_iter();
                    inner.extend(items.map(|bad| Bad { text: format!("[{}]", bad.text), ..bad }));
                }
                "object" => inner = self.bad_objects(schema, &self.right(schema)),
                _ => {}
            }
        }
        inner.extend(texts.into_iter().map(|text| Bad { text, field: name.to_owned() }));
        inner
    }

    fn bad_lengths(&self, schema: &Value) -> Vec<String> {
        let mut lists = vec![];
        if schema["minItems"].as_u64().is_some_and(|least| least > 0) {
            lists.push("[]".to_owned());
        }
        if let Some(most) = schema["maxItems"].as_u64() {
            let item = self.right(&schema["items"]);
            let list = vec![item; usize::try_from(most).unwrap() + 1];
            lists.push(Value::Array(list).to_string());
        }
        lists
    }

    /// A value that is right; an object has what it must have, and no more.
    pub(crate) fn right(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(example) = schema["examples"].get(0).or_else(|| schema["enum"].get(0)) {
            return example.clone();
        }
        match schema["type"].as_str() {
            Some("integer") => schema["minimum"].clone(),
            Some("string") if schema["format"] == "uuid" => json!(uuid::Uuid::nil()),
            Some("string") => json!("x"),
            _ => {
                let names =
                    schema["required"].as_array().unwrap().iter().map(|n| n.as_str().unwrap());
                names
                    .map(|name| (name.to_owned(), self.right(&schema["properties"][name])))
                    .collect()
            }
        }
    }
}

/// An object with a field of this text.
fn with(right: &Value, name: &str, text: &str, field: &str) -> Bad {
    let mut object = right.clone();
    object[name] = json!(HOLE);
    let text = object.to_string().replace(&json!(HOLE).to_string(), text);
    Bad { text, field: field.to_owned() }
}

pub(crate) fn bad_integers(schema: &Value) -> Vec<String> {
    let limit = |name: &str| schema[name].as_i64().unwrap();
    let mut texts = vec![(limit("minimum") - 1).to_string(), (limit("maximum") + 1).to_string()];
    texts.extend(
        ["1.5", "1e400", "-1e400", "1e30", "9223372036854775808", "-9223372036854775809", "-1"]
            .map(str::to_owned),
    );
    // 2^64, which some languages wrap around to 0, and one more.
    texts.extend(["18446744073709551616", "18446744073709551617"].map(str::to_owned));
    texts
}

fn bad_strings(schema: &Value) -> Vec<String> {
    let mut values = Vec::new();
    if let Some(most) = schema["maxLength"].as_u64() {
        let more = usize::try_from(most).unwrap() + 1;
        values.extend(["x".repeat(more), "é".repeat(more), String::new()]);
    }
    if schema["pattern"].as_str().is_some_and(|pattern| pattern.contains("u0000")) {
        values.extend(["a\u{0}b", "a\nb", "a\u{9f}"].map(str::to_owned));
    }
    if schema["pattern"] == "^[A-Z]{3}$" {
        values.extend(["", "eur", "EU", "EURO", "EU\u{0}", " EUR"].map(str::to_owned));
    }
    if schema["enum"].is_array() {
        values.extend(["", "other"].map(str::to_owned));
    }
    match schema["format"].as_str() {
        Some("uuid") => values.extend(bad_ids()),
        Some("date-time") => values.extend(
            [
                "",
                "tomorrow",
                "2030-01-01",
                "2030-02-30T00:00:00Z",
                "2030-01-01T25:00:00Z",
                "2030-01-01T00:00:00",
                "1969-12-31T23:59:59Z",
                "99999-01-01T00:00:00Z",
                "1893456000",
            ]
            .map(str::to_owned),
        ),
        _ => {}
    }
    values.iter().map(|value| json!(value).to_string()).collect()
}

/// What is no id.
pub(crate) fn bad_ids() -> Vec<String> {
    let bad = ["x", "7", "-1", "00000000-0000-0000-0000-00000000000g", "../sales"];
    let mut ids: Vec<String> = bad.map(str::to_owned).into();
    ids.push("0".repeat(300));
    ids
}

#[test]
fn each_value_is_wrong_in_one_way() {
    let schemas = json!({
        "Order": {
            "type": "object",
            "required": ["buyer"],
            "properties": {
                "buyer": {"type": "string", "maxLength": 3, "minLength": 1},
                "lines": {"type": ["array", "null"], "maxItems": 2, "items": {"$ref": "#/x/Line"}},
                "paid": {"oneOf": [{"$ref": "#/x/Line"}, {"type": "null"}]},
            },
        },
        "Line": {
            "type": "object",
            "required": ["units"],
            "properties": {"units": {"type": "integer", "minimum": 1, "maximum": 9}},
        },
    });
    let schemas = Schemas(&schemas);
    let order = json!({"$ref": "#/x/Order"});
    let right = schemas.right(&order);
    assert_eq!(right, json!({"buyer": "x"}));
    let bad = schemas.bad_objects(&order, &right);
    for (field, text) in [
        ("buyer", r#"{}"#),
        ("buyer", r#"{"buyer":null}"#),
        ("buyer", r#"{"buyer":7}"#),
        ("buyer", r#"{"buyer":"xxxx"}"#),
        ("surplus", r#"{"buyer":"x","surplus":1}"#),
        ("lines", r#"{"buyer":"x","lines":[{"units":1},{"units":1},{"units":1}]}"#),
        ("lines", r#"{"buyer":"x","lines":[null]}"#),
        ("units", r#"{"buyer":"x","lines":[{}]}"#),
        ("units", r#"{"buyer":"x","lines":[{"units":10}]}"#),
        ("units", r#"{"buyer":"x","paid":{"units":1e400}}"#),
        ("units", r#"{"buyer":"x","paid":{"units":-1}}"#),
        ("surplus", r#"{"buyer":"x","paid":{"surplus":1,"units":1}}"#),
    ] {
        assert!(bad.iter().any(|bad| bad.field == field && bad.text == text), "{text}: {bad:#?}");
    }
    for text in [r#"{"buyer":"x","lines":null}"#, r#"{"buyer":"x","paid":null}"#] {
        assert!(!bad.iter().any(|bad| bad.text == text), "{text} is right");
    }
}
