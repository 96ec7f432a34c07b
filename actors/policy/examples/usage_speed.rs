//! Times the reading of usage: `cargo run --release -p llm-manager-policy --example usage_speed`.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use llm_manager_policy::usage::{Dialect, End, Framing, Meter, TokenRate};

fn main() -> std::io::Result<()> {
    let llama = |text: &str| {
        format!(
            "data: {{\"choices\":[{{\"finish_reason\":null,\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}],\"created\":1795383772,\"id\":\"chatcmpl-CnNDLkPKNl2ooJkvPdU8GMdDXBnHi3fQ\",\"model\":\"tiny-chat\",\"system_fingerprint\":\"b0-unknown\",\"object\":\"chat.completion.chunk\"}}\n\n"
        )
    };
    let words = [" these", " our", " little", " \\\"where\\\"", " a"];
    let chat: Vec<String> = words.iter().map(|word| llama(word)).collect();
    let counted: Vec<String> = (0..5)
        .map(|n| llama(" a").replace("}\n\n", &format!(",\"timings\":{{\"cache_n\":38,\"prompt_n\":1,\"prompt_ms\":0.38,\"predicted_n\":{n},\"predicted_ms\":0.206}}}}\n\n")))
        .collect();
    let responses: Vec<String> = (0..5)
        .map(|n| format!("event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"item_id\":\"msg_68af4030baa48193b0b43b4c2a176a1a\",\"output_index\":0,\"content_index\":0,\"delta\":\" word\",\"logprobs\":[],\"sequence_number\":{n}}}\n\n"))
        .collect();
    let messages: Vec<String> = words
        .iter()
        .map(|word| format!("event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{word}\"}}}}\n\n"))
        .collect();
    chunks("chat, one event a chunk", Dialect::OpenAi, &chat)?;
    chunks("chat, 5 events a chunk", Dialect::OpenAi, &[chat.concat()])?;
    hidden("chat, its usage hidden", Dialect::OpenAi, &chat)?;
    chunks("chat with timings_per_token", Dialect::OpenAi, &counted)?;
    chunks("responses with sequence_number", Dialect::Responses, &responses)?;
    chunks("messages", Dialect::Anthropic, &messages)?;

    let floats = vec!["-0.019593782722949982"; 100_000].join(",");
    document(
        "embeddings",
        &format!("{{\"data\":[{{\"embedding\":[{floats}]}}],\"usage\":{{\"prompt_tokens\":3}}}}"),
    )?;
    let base64 = "4GeGPVO2A7uDTEw".repeat(200_000);
    document(
        "base64",
        &format!("{{\"data\":[{{\"embedding\":\"{base64}\"}}],\"usage\":{{\"prompt_tokens\":3}}}}"),
    )
}

fn chunks(name: &str, dialect: Dialect, chunks: &[String]) -> std::io::Result<()> {
    timed(name, chunks, || Meter::new(Framing::Sse, dialect.clone()))
}

fn hidden(name: &str, dialect: Dialect, chunks: &[String]) -> std::io::Result<()> {
    timed(name, chunks, || Meter::new(Framing::Sse, dialect.clone()).hiding(true))
}

fn timed(name: &str, chunks: &[String], new: impl Fn() -> Meter) -> std::io::Result<()> {
    const ROUNDS: usize = 200_000;
    let mut best = f64::MAX;
    for _ in 0..7 {
        let mut meter = new();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for chunk in chunks {
                black_box(meter.push(black_box(chunk.as_bytes())));
            }
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (ROUNDS * chunks.len()) as f64);
        black_box(meter.finish(End::Complete, &TokenRate::default()));
    }
    let bytes = chunks.iter().map(String::len).sum::<usize>() / chunks.len();
    writeln!(std::io::stdout(), "{name:32} {best:7.1} ns a chunk of {bytes} bytes")
}

fn document(name: &str, text: &str) -> std::io::Result<()> {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let mut meter = Meter::new(Framing::Json, Dialect::Embedding);
        let start = Instant::now();
        for chunk in text.as_bytes().chunks(16 * 1024) {
            meter.push(black_box(chunk));
        }
        black_box(meter.finish(End::Complete, &TokenRate::default()));
        best = best.min(start.elapsed().as_nanos() as f64 / text.len() as f64);
    }
    writeln!(std::io::stdout(), "{name:32} {best:7.3} ns a byte")
}
