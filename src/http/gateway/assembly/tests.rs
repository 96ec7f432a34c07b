use super::*;

fn assembled(form: StreamFormat, events: &[Value]) -> Result<Value, Value> {
    let mut assembly = Assembly::new(form);
    for event in events {
        assembly.add(event.to_string().as_bytes());
    }
    assembly.add(b"[DONE]");
    assembly.finish()
}

#[test]
fn choices_are_joined_piece_by_piece() {
    let chunk = |choices: Value| json!({"id": "c", "object": "chat.completion.chunk", "choices": choices});
    let mut last = chunk(json!([]));
    last["usage"] = json!({"completion_tokens": 3});
    last["prompt_progress"] = json!({"total": 1});
    let answer = assembled(
        StreamFormat::Choices,
        &[
            chunk(
                json!([{"index": 0, "delta": {"role": "assistant", "content": null}, "finish_reason": null}]),
            ),
            chunk(json!([{"index": 0, "delta": {"reasoning_content": "h"}}])),
            chunk(json!([{"index": 0, "delta": {"reasoning_content": "m", "content": "a"},
                "logprobs": {"content": [{"token": "a"}]}}])),
            chunk(
                json!([{"index": 1, "delta": {"role": "assistant", "content": "z"}, "finish_reason": "stop"}]),
            ),
            chunk(
                json!([{"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [{"token": "b"}]}}]),
            ),
            chunk(json!([{"index": 0, "delta": {}, "finish_reason": "length"}])),
            last,
        ],
    );
    let wanted = json!({
        "id": "c",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "finish_reason": "length", "logprobs": {"content": [{"token": "a"}, {"token": "b"}]},
                "message": {"role": "assistant", "content": "ab", "reasoning_content": "hm"}},
            {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "z"}},
        ],
        "usage": {"completion_tokens": 3},
    });
    assert_eq!(answer, Ok(wanted));
}

#[test]
fn a_completion_is_called_one() {
    let event = json!({"object": "chat.completion", "choices": [{"index": 0, "text": "a"}]});
    let answer = assembled(StreamFormat::Choices, &[event]).unwrap();
    assert_eq!((&answer["object"], &answer["choices"][0]["text"]), (&json!("text_completion"), &json!("a")));
    let bare = assembled(StreamFormat::Choices, &[json!({"choices": [{"text": "a"}]})]).unwrap();
    assert_eq!(bare.get("object"), None);
}

#[test]
fn the_report_of_the_first_choice_is_that_of_the_answer() {
    let done = |index: u64| json!({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]});
    let report = |tokens: u64| json!({"choices": [], "usage": {"completion_tokens": tokens}});
    for (events, tokens) in
        [([done(1), report(5), done(0), report(7)], 7), ([done(0), report(7), done(1), report(5)], 7)]
    {
        let answer = assembled(StreamFormat::Choices, &events).unwrap();
        assert_eq!(answer["usage"]["completion_tokens"], tokens);
    }
}

#[test]
fn completions_have_texts() {
    let piece = |text: &str, end: Value, logprobs: Value| {
        json!({"object": "text_completion", "choices": [{"index": 0, "text": text, "logprobs": logprobs,
            "finish_reason": end}]})
    };
    let answer = assembled(
        StreamFormat::Choices,
        &[
            piece("a", Value::Null, json!({"tokens": ["a"], "text_offset": [0]})),
            piece("b", Value::Null, json!({"tokens": ["b"], "text_offset": [1]})),
            piece("", json!("stop"), Value::Null),
        ],
    )
    .unwrap();
    assert_eq!(answer["object"], "text_completion");
    let logprobs = json!({"tokens": ["a", "b"], "text_offset": [0, 1]});
    let wanted = json!({"index": 0, "text": "ab", "logprobs": logprobs, "finish_reason": "stop"});
    assert_eq!(answer["choices"][0], wanted);
}

#[test]
fn tool_calls_are_joined_by_their_place() {
    let calls = |calls: Value| json!({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]});
    let begin = |index: u64, id: &str| json!([{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]);
    let more = |index: u64, text: &str| json!([{"index": index, "function": {"arguments": text}}]);
    let answer = assembled(
        StreamFormat::Choices,
        &[
            calls(begin(0, "x")),
            calls(more(0, "{\"a\"")),
            calls(begin(1, "y")),
            calls(more(1, "{}")),
            calls(more(0, ":1}")),
        ],
    )
    .unwrap();
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let wanted = json!([call("x", "{\"a\":1}"), call("y", "{}")]);
    assert_eq!(answer["choices"][0]["message"]["tool_calls"], wanted);
}

#[test]
fn messages_are_joined_by_their_blocks() {
    let delta =
        |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let block = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let answer = assembled(
        StreamFormat::Messages,
        &[
            json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [],
                "stop_reason": null, "usage": {"input_tokens": 4, "output_tokens": 0}}}),
            block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
            delta(0, json!({"type": "signature_delta", "signature": "s"})),
            block(1, json!({"type": "text", "text": ""})),
            delta(1, json!({"type": "text_delta", "text": "a"})),
            delta(1, json!({"type": "text_delta", "text": "b"})),
            block(2, json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
            delta(2, json!({"type": "input_json_delta", "partial_json": "{\"x\""})),
            delta(2, json!({"type": "input_json_delta", "partial_json": ":1}"})),
            json!({"type": "content_block_stop", "index": 2}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
            json!({"type": "message_stop"}),
        ],
    );
    let wanted = json!({
        "id": "m",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "ab"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 4, "output_tokens": 9},
    });
    assert_eq!(answer, Ok(wanted));
}

#[test]
fn a_response_is_its_last_event() {
    let answer = assembled(
        StreamFormat::Responses,
        &[
            json!({"type": "response.created", "response": {"id": "r", "status": "in_progress"}}),
            json!({"type": "response.output_text.delta", "delta": "a"}),
            json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "completed_at": 7}}),
        ],
    );
    assert_eq!(answer, Ok(json!({"id": "r", "status": "completed", "completed_at": 7})));
}

#[test]
fn an_error_is_the_answer() {
    let error = json!({"error": {"code": 500, "message": "gone"}});
    let begin = json!({"choices": [{"index": 0, "delta": {"content": "a"}}]});
    assert_eq!(assembled(StreamFormat::Choices, &[begin, error.clone()]), Err(error));
    let error = json!({"type": "error", "error": {"type": "api_error", "message": "gone"}});
    assert_eq!(assembled(StreamFormat::Messages, std::slice::from_ref(&error)), Err(error));
    let error = json!({"type": "error", "code": "x", "message": "gone"});
    assert_eq!(
        assembled(StreamFormat::Responses, std::slice::from_ref(&error)),
        Err(json!({ "error": error }))
    );
}

#[test]
fn calls_of_tools_are_whole_in_each_engines_words() {
    let calls = |pieces: &[Value]| {
        let events: Vec<Value> = pieces
            .iter()
            .map(|piece| json!({"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]}))
            .collect();
        assembled(StreamFormat::Choices, &events).unwrap()["choices"][0]["message"]["tool_calls"].clone()
    };
    let whole = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}});
    // SGLang repeats the fields without a value.
    let begin =
        json!({"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": "{"}});
    let more =
        json!({"index": 0, "id": null, "type": "function", "function": {"name": null, "arguments": "}"}});
    assert_eq!(calls(&[begin, more]), json!([whole("a", "look")]));
    let at_zero = |id: &str, name: &str| {
        let mut call = whole(id, name);
        call["index"] = 0.into();
        call
    };
    let two = json!([whole("a", "look"), whole("b", "find")]);
    assert_eq!(calls(&[at_zero("a", "look"), at_zero("b", "find")]), two);
}

#[test]
fn what_can_not_be_read_leaves_a_gap() {
    let mut assembly = Assembly::new(StreamFormat::Choices);
    assembly.add(b"[DONE]");
    assert!(!assembly.has_gap());
    assembly.add(b"{\"choices\":[{");
    assert!(assembly.has_gap());
}
