//! The usage in what real engines answer, cut at every byte.
//!
//! `recorded/` was recorded from llama.cpp's server (b11549, by xllamacpp 2026.10) with models of random
//! weights. The other samples are those of each engine's documentation, shortened:
//! OpenAI and Responses <https://platform.openai.com/docs/api-reference>, Anthropic
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming> and `.../prompt-caching`, vLLM
//! <https://docs.vllm.ai/en/latest/serving/openai_compatible_server/>, Jina <https://jina.ai/reranker/>,
//! Cohere <https://docs.cohere.com/reference/rerank>.

use llm_manager_policy::usage::{CountSource, Dialect, End, Framing, Meter, Timings, TokenRate, Usage};

fn read(shape: Framing, dialect: &Dialect, chunks: &[&[u8]], end: End) -> Usage {
    let mut meter = Meter::new(shape, dialect.clone());
    for chunk in chunks {
        meter.push(chunk);
    }
    meter.finish(end, &TokenRate::default())
}

/// Input, cached, output, reasoning.
type Counts = (Option<u64>, Option<u64>, Option<u64>, Option<u64>);

fn counts(usage: &Usage) -> Counts {
    (usage.input, usage.cached, usage.output, usage.reasoning)
}

/// Cuts the answer at every byte, and a small one at every two.
fn cut_everywhere(name: &str, shape: Framing, dialect: &Dialect, text: &str) -> Usage {
    let bytes = text.as_bytes();
    let whole = read(shape, dialect, &[bytes], End::Complete);
    for cut in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(read(shape, dialect, &[head, tail], End::Complete), whole, "{name} {cut}");
        let broken = read(shape, dialect, &[head], End::Broken);
        assert!(broken.output.unwrap_or(0) <= whole.output.unwrap_or(0), "{name} {cut}");
        if let (CountSource::Backend, Some(output)) = (broken.source, broken.output) {
            assert!(shape == Framing::Sse || Some(output) == whole.output, "{name} {cut}");
        }
        if bytes.len() <= 400 {
            for second in 0..=tail.len() {
                let (middle, tail) = tail.split_at(second);
                let got = read(shape, dialect, &[head, middle, tail], End::Complete);
                assert_eq!(got, whole, "{name} {cut} {second}");
            }
        }
    }
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(shape, dialect, &bytewise, End::Complete), whole, "{name}");
    whole
}

fn check(name: &str, shape: Framing, dialect: Dialect, text: &str, want: Counts) -> Usage {
    let got = cut_everywhere(name, shape, &dialect, text);
    assert_eq!((counts(&got), got.source), (want, CountSource::Backend), "{name}");
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(read(shape, &dialect, &[crlf.as_bytes()], End::Complete), got, "{name} with CRLF");
    got
}

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("recorded/", $name, ".txt"))
    };
}

#[test]
fn llama_cpp() {
    use Dialect::{Anthropic, Embedding, OpenAi, Responses};
    use Framing::{Json, Sse};
    let some = |input, cached, output| (Some(input), Some(cached), Some(output), None);
    let got = check("chat", Json, OpenAi, recorded!("chat"), some(39, 0, 4));
    let timings = Timings { prompt_n: Some(39), cache_n: Some(0), predicted_n: Some(4) };
    assert_eq!(got.timings, Some(timings));
    check("chat_cached", Json, OpenAi, recorded!("chat_cached"), some(39, 38, 4));
    let got = check("chat_stream", Sse, OpenAi, recorded!("chat_stream"), some(39, 38, 4));
    assert_eq!((got.deltas, got.events), (4, 7));
    // Without `include_usage` the timings say the same.
    check("chat_stream_no_usage", Sse, OpenAi, recorded!("chat_stream_no_usage"), some(39, 38, 4));
    check("chat_stream_per_token", Sse, OpenAi, recorded!("chat_stream_per_token"), some(39, 38, 3));
    check("completions", Json, OpenAi, recorded!("completions"), some(8, 1, 4));
    check("completions_stream", Sse, OpenAi, recorded!("completions_stream"), some(8, 7, 4));
    check(
        "completions_stream_no_usage",
        Sse,
        OpenAi,
        recorded!("completions_stream_no_usage"),
        some(8, 7, 4),
    );
    check("responses", Json, Responses, recorded!("responses"), some(31, 18, 4));
    let got = check("responses_stream", Sse, Responses, recorded!("responses_stream"), some(31, 30, 4));
    assert_eq!((got.deltas, got.timings.and_then(|timings| timings.cache_n)), (4, Some(30)));
    // 18 cached and 21 others: the same 39 as the chat's.
    check("messages", Json, Anthropic, recorded!("messages"), some(39, 18, 4));
    let got = check("messages_stream", Sse, Anthropic, recorded!("messages_stream"), some(39, 38, 4));
    assert_eq!(got.deltas, 4);
    check("embeddings", Json, Embedding, recorded!("embeddings"), (Some(10), None, Some(0), None));
    check("base64", Json, Embedding, recorded!("embeddings_base64"), (Some(6), None, Some(0), None));
    check("rerank", Json, Embedding, recorded!("rerank"), (Some(18), None, Some(0), None));
    let error = cut_everywhere("error", Json, &Embedding, recorded!("error"));
    assert_eq!(error, Usage::default());
}

#[test]
fn a_recorded_stream_that_the_client_left() {
    // The first event has the role, the last is cut.
    let text = recorded!("chat_stream_cut");
    let got = cut_everywhere("chat_stream_cut", Framing::Sse, &Dialect::OpenAi, text);
    let whole_events = text.matches("\n\n").count() as u64;
    assert_eq!((got.output, got.source), (Some(whole_events - 1), CountSource::Estimated));
    assert_eq!((got.input, got.or_input(12).input), (None, Some(12)));
}

#[test]
fn a_stream_cut_at_any_byte_counts_its_whole_events() {
    let text = recorded!("chat_stream");
    for cut in 0..text.len() {
        let head = &text[..cut];
        let got = read(Framing::Sse, &Dialect::OpenAi, &[head.as_bytes()], End::ClientLeft);
        let mut delivered = 0;
        let mut events = 0;
        let mut report = None;
        for event in head.split("\n\n") {
            let data = event.strip_prefix("data: ").unwrap_or_default();
            let Ok(value) = serde_json::from_str::<serde_json::Value>(data) else { continue };
            events += 1;
            let content = value.pointer("/choices/0/delta/content").and_then(|content| content.as_str());
            delivered += u64::from(content.is_some_and(|content| !content.is_empty()));
            report = value.pointer("/usage/completion_tokens").and_then(serde_json::Value::as_u64);
        }
        let want = match (report, events) {
            (Some(output), _) => (Some(output), CountSource::Backend),
            (None, 0) => (None, CountSource::None),
            _ => (Some(delivered), CountSource::Estimated),
        };
        assert_eq!((got.output, got.source), want, "{cut}");
    }
}

#[test]
fn openai() {
    let chat = r#"{"id":"chatcmpl-B9MBs8","object":"chat.completion","created":1741569952,"model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":"Say \"usage\":{\"prompt_tokens\":1}","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,"prompt_tokens_details":{"cached_tokens":1920,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":192,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default"}"#;
    let want = (Some(2006), Some(1920), Some(300), Some(192));
    check("openai", Framing::Json, Dialect::OpenAi, chat, want);
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(chat).unwrap()).unwrap();
    check("openai, pretty", Framing::Json, Dialect::OpenAi, &pretty, want);
    let stream = concat!(
        r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null,"obfuscation":"aB"}"#,
        "\n\n",
        r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"usage":null,"obfuscation":"a"}"#,
        "\n\n",
        r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
        "\n\n",
        r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"completion_tokens_details":{"reasoning_tokens":8}}}"#,
        "\n\ndata: [DONE]\n\n",
    );
    let got =
        check("openai stream", Framing::Sse, Dialect::OpenAi, stream, (Some(19), None, Some(10), Some(8)));
    assert_eq!(got.deltas, 1);
    let embeddings = r#"{"object":"list","data":[{"object":"embedding","embedding":[0.0023,-0.0093],"index":0}],"model":"text-embedding-ada-002","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    check("embeddings", Framing::Json, Dialect::Embedding, embeddings, (Some(8), None, Some(0), None));
}

#[test]
fn openai_responses() {
    let body = r#"{"id":"resp_67","object":"response","status":"completed","error":null,"output":[{"type":"message","content":[{"type":"output_text","text":"\"usage\":{}"}]}],"tools":[],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":16},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":123},"user":null,"metadata":{"usage":{"input_tokens":1}}}"#;
    let want = (Some(36), Some(16), Some(87), Some(64));
    check("responses", Framing::Json, Dialect::Responses, body, want);
    let stream = format!(
        "event: response.created\ndata: {}\n\nevent: response.output_text.delta\ndata: {}\n\nevent: response.completed\ndata: {}\n\n",
        r#"{"type":"response.created","response":{"id":"resp_67","status":"in_progress","usage":null},"sequence_number":0}"#,
        r#"{"type":"response.output_text.delta","item_id":"m","delta":"Hi","sequence_number":1}"#,
        format_args!(r#"{{"type":"response.completed","response":{body},"sequence_number":2}}"#),
    );
    let got = check("responses stream", Framing::Sse, Dialect::Responses, &stream, want);
    assert_eq!((got.deltas, got.events), (1, 3));
}

const ANTHROPIC: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude","stop_reason":null,"usage":{"input_tokens":50,"cache_creation_input_tokens":248,"cache_read_input_tokens":1800,"cache_creation":{"ephemeral_5m_input_tokens":148},"output_tokens":1}}}"#,
    "\n\nevent: content_block_start\n",
    r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    "\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
    "\n\nevent: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"!"}}"#,
    "\n\n",
);

#[test]
fn anthropic() {
    let body = r#"{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":50,"cache_creation_input_tokens":248,"cache_read_input_tokens":1800,"output_tokens":503}}"#;
    let got =
        check("body", Framing::Json, Dialect::Anthropic, body, (Some(2098), Some(1800), Some(503), None));
    assert_eq!(got.cache_write, Some(248));
    let delta = |output: u64| {
        format!(
            "event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},\"usage\":{{\"output_tokens\":{output}}}}}\n\n"
        )
    };
    let stream = format!(
        "{ANTHROPIC}{}{}event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n",
        delta(9),
        delta(15)
    );
    let got =
        check("stream", Framing::Sse, Dialect::Anthropic, &stream, (Some(2098), Some(1800), Some(15), None));
    assert_eq!((got.deltas, got.cache_write), (2, Some(248)));
    // Broken off, the input is known and the output is what was delivered.
    let got = read(Framing::Sse, &Dialect::Anthropic, &[ANTHROPIC.as_bytes()], End::Broken);
    assert_eq!((counts(&got), got.source), ((Some(2098), Some(1800), Some(2), None), CountSource::Estimated));
    // Some servers know the input only at the end, and say 0 before.
    let late = concat!(
        r#"data: {"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}"#,
        "\n\n",
        r#"data: {"type":"message_delta","usage":{"input_tokens":7,"output_tokens":3}}"#,
        "\n\n",
    );
    check("late input", Framing::Sse, Dialect::Anthropic, late, (Some(7), None, Some(3), None));
}

#[test]
fn vllm() {
    let chat = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning":null,"content":"Hi","tool_calls":[]},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}],"service_tier":null,"usage":{"prompt_tokens":12,"total_tokens":20,"completion_tokens":8,"prompt_tokens_details":null},"prompt_logprobs":null,"kv_transfer_params":null}"#;
    check("chat", Framing::Json, Dialect::OpenAi, chat, (Some(12), None, Some(8), None));
    let part = |delta: &str, output: u64| {
        format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":{{\"prompt_tokens\":12,\"total_tokens\":{},\"completion_tokens\":{output}}}}}\n\n",
            12 + output
        )
    };
    // `continuous_usage_stats`: every event counts all tokens so far.
    let stream = [part(r#""role":"assistant","content":"""#, 0), part(r#""reasoning":"We"#, 0)].concat();
    let stream = format!("{stream}{}{}", part(r#""content":"Hi""#, 2), part(r#""content":" you there""#, 5));
    let got = read(Framing::Sse, &Dialect::OpenAi, &[stream.as_bytes()], End::ClientLeft);
    assert_eq!((counts(&got), got.source), ((Some(12), None, Some(5), None), CountSource::Backend));
    let rerank = r#"{"id":"rerank-1","model":"m","usage":{"total_tokens":56},"results":[{"index":1,"document":{"text":"Paris"},"relevance_score":0.99}]}"#;
    check("rerank", Framing::Json, Dialect::Embedding, rerank, (Some(56), None, Some(0), None));
    let embedding = r#"{"id":"embd-1","object":"list","data":[{"index":0,"embedding":[NaN,0.5e-7]}],"usage":{"prompt_tokens":6,"total_tokens":6,"completion_tokens":0,"prompt_tokens_details":null}}"#;
    check("embedding", Framing::Json, Dialect::Embedding, embedding, (Some(6), None, Some(0), None));
}

#[test]
fn rerank_of_others() {
    let jina = r#"{"model":"jina-reranker-v2","object":"list","usage":{"total_tokens":815,"prompt_tokens":815},"results":[{"index":0,"relevance_score":0.87}]}"#;
    check("jina", Framing::Json, Dialect::Embedding, jina, (Some(815), None, Some(0), None));
    let cohere = r#"{"id":"07","results":[{"index":3,"relevance_score":0.999}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}"#;
    let got = cut_everywhere("cohere", Framing::Json, &Dialect::Embedding, cohere);
    assert_eq!(got.source, CountSource::None);
    let tokens = r#"{"results":[],"meta":{"billed_units":{"input_tokens":9.0},"tokens":{"input_tokens":12.0,"output_tokens":0}}}"#;
    check("cohere tokens", Framing::Json, Dialect::Embedding, tokens, (Some(12), None, Some(0), None));
    let billed = r#"{"meta":{"billed_units":{"input_tokens":9}}}"#;
    check("cohere billed", Framing::Json, Dialect::Embedding, billed, (Some(9), None, Some(0), None));
}
