//! Calls of tools, which come in pieces, or whole.

use serde_json::{Value, json};

/// In the order in which they began.
#[derive(Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One entry of `tool_calls`. Engines differ: the index is missing or the same for all, id and name are repeated with each
    /// piece, the arguments are an object. What tells two calls apart is the index, or else another id.
    pub(super) fn piece(&mut self, piece: &Value) {
        let text = |path: &str| piece.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (index, id, name) =
            (piece.get("index").and_then(Value::as_u64), text("/id"), text("/function/name"));
        let same = |call: &Call| match (index, id) {
            (Some(_), "") => call.index == index,
            (Some(_), id) => call.index == index && (call.id.is_empty() || call.id == id),
            (None, "") => name.is_empty(),
            (None, id) => call.id == id,
        };
        let known = self.0.iter().rposition(same);
        let place = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.push(Call { index, id: id.to_owned(), ..Call::default() });
        }
        let call = &mut self.0[place];
        if call.name != name {
            call.name.push_str(name);
        }
        match piece.pointer("/function/arguments") {
            Some(Value::String(more)) => call.arguments.push_str(more),
            Some(whole @ Value::Object(_)) => call.arguments = whole.to_string(),
            _ => {}
        }
    }

    pub(super) fn json(self) -> Value {
        self.0.into_iter().map(Call::json).collect()
    }
}

impl Call {
    fn json(self) -> Value {
        // What is no JSON is the model's mistake; the client gets it all the same.
        let arguments =
            serde_json::from_str(&self.arguments).unwrap_or_else(|_| match self.arguments.trim() {
                "" => json!({}),
                text => text.into(),
            });
        json!({"function": {"name": self.name, "arguments": arguments}})
    }
}

#[cfg(test)]
mod tests {
    use super::Calls;
    use serde_json::{Value, json};

    fn gathered(pieces: Value) -> Value {
        let mut calls = Calls::default();
        pieces.as_array().unwrap().iter().for_each(|piece| calls.piece(piece));
        calls.json()
    }

    fn piece(index: Option<u64>, id: &str, name: &str, arguments: Value) -> Value {
        let mut piece = json!({"function": {"arguments": arguments}});
        if let Some(index) = index {
            piece["index"] = index.into();
        }
        if !id.is_empty() {
            piece["id"] = id.into();
        }
        if !name.is_empty() {
            piece["function"]["name"] = name.into();
        }
        piece
    }

    #[test]
    fn each_way_to_send_two_calls_gives_two() {
        let two = json!([
            {"function": {"name": "look", "arguments": {"x": 1}}},
            {"function": {"name": "find", "arguments": {"y": 2}}},
        ]);
        let (x, y) = (json!("{\"x\":1}"), json!("{\"y\":2}"));
        let pieces = json!([
            piece(Some(0), "c1", "look", json!("")),
            piece(Some(0), "", "", json!("{\"x\"")),
            piece(Some(1), "c2", "find", y.clone()),
            piece(Some(0), "", "", json!(":1}")),
        ]);
        let repeated = json!([
            piece(Some(0), "c1", "look", json!("{\"x\"")),
            piece(Some(0), "c1", "look", json!(":1}")),
            piece(Some(1), "c2", "find", y.clone()),
        ]);
        let no_index = json!([piece(None, "c1", "look", x.clone()), piece(None, "c2", "find", y.clone())]);
        let one_index =
            json!([piece(Some(0), "c1", "look", x.clone()), piece(Some(0), "c2", "find", y.clone())]);
        let names_only = json!([piece(None, "", "look", x), piece(None, "", "find", y)]);
        let objects = json!([
            piece(Some(0), "c1", "look", json!({"x": 1})),
            piece(Some(1), "c2", "find", json!({"y": 2}))
        ]);
        for sent in [pieces, repeated, no_index, one_index, names_only, objects] {
            assert_eq!(gathered(sent.clone()), two, "{sent}");
        }
    }

    #[test]
    fn pieces_without_anything_belong_to_the_last_call() {
        let sent = json!([piece(None, "c1", "look", json!("{\"x\"")), piece(None, "", "", json!(":1}"))]);
        assert_eq!(gathered(sent), json!([{"function": {"name": "look", "arguments": {"x": 1}}}]));
        assert_eq!(
            gathered(json!([piece(Some(0), "c", "go", Value::Null)])),
            json!([{"function": {"name": "go", "arguments": {}}}])
        );
        assert_eq!(
            gathered(json!([piece(Some(0), "c", "go", json!("{\"x"))]))[0]["function"]["arguments"],
            "{\"x"
        );
    }
}
