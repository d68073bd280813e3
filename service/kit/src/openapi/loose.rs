//! What a description must not have. For services' tests.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is wrong within a description: references and links that lead nowhere, and ids that several
/// operations have.
#[must_use]
pub fn loose_ends(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    let paths = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    for operation in paths.filter_map(Value::as_object).flat_map(|item| item.values()) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        if !ids.insert(id) {
            found.push(format!("several operations are called {id:?}"));
        }
    }
    visit(document, &mut |name, value| {
        if let ("$ref", Some(to)) = (name, value.as_str())
            && document.pointer(to.trim_start_matches('#')).is_none()
        {
            found.push(format!("{to} is not there"));
        }
        if let ("links", Some(links)) = (name, value.as_object()) {
            let lost = links.keys().filter(|id| !ids.contains(id.as_str()));
            found.extend(lost.map(|id| format!("a link leads to {id:?}, which is not there")));
        }
    });
    found
}

fn visit<'a>(value: &'a Value, see: &mut impl FnMut(&str, &'a Value)) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                see(name, value);
                visit(value, see);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| visit(value, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_loose_end_is_found() {
        let read = |links: Value| json!({ "get": { "operationId": "read", "links": links } });
        let schema = json!({ "$ref": "#/components/a" });
        let mut document = json!({
            "paths": { "/a": read(json!({ "read": schema })) },
            "components": { "a": {} },
        });
        assert_eq!(loose_ends(&document), Vec::<String>::new());
        document["paths"]["/b"] = read(json!({ "write": {} }));
        document["components"]["a"] = json!([{ "$ref": "#/components/b" }]);
        assert_eq!(
            loose_ends(&document),
            [
                "several operations are called \"read\"",
                "#/components/b is not there",
                "a link leads to \"write\", which is not there",
            ]
        );
    }
}
