//! What a backend prints while it starts: a hint at when to ask it, and never more than a hint.

use std::time::Duration;

/// A backend that prints has perhaps just become ready; one that prints without end is not asked without end.
const AFTER_NEWS: Duration = Duration::from_millis(3);
/// The same, if what it prints sounds as if it were.
const AFTER_GOOD_NEWS: Duration = Duration::from_millis(1);

/// Words of llama.cpp, vLLM, SGLang, Ollama, TGI and whatever runs on uvicorn, when they have loaded.
const GOOD: [&str; 5] = ["model loaded", "listening on", "startup complete", "running on http", "is ready"];

/// How long after a question the next one may be asked because of these lines.
pub fn pause_after<'a>(lines: impl IntoIterator<Item = &'a str>) -> Duration {
    let good = |line: &str| {
        let line = line.to_ascii_lowercase();
        GOOD.iter().any(|word| line.contains(word))
    };
    if lines.into_iter().any(good) { AFTER_GOOD_NEWS } else { AFTER_NEWS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_ready_is_asked_sooner_and_never_without_a_pause() {
        for line in [
            "0.00.434.759 I srv  llama_server: model loaded",
            "main: server is listening on http://127.0.0.1:8080 - starting the main loop",
            "INFO:     Application startup complete.",
            "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)",
            "The server is fired up and is ready to roll!",
        ] {
            assert_eq!(pause_after(["loading", line]), AFTER_GOOD_NEWS, "{line}");
        }
        assert_eq!(pause_after(["load_tensors: 12 of 33 layers", ""]), AFTER_NEWS);
        assert_eq!(pause_after([]), AFTER_NEWS);
        assert!(!AFTER_GOOD_NEWS.is_zero());
    }
}
