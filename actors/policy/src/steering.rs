//! Variables of the environment that steer an engine without a word in its command line or its log.

/// What their names begin with.
const ENGINES: [&str; 12] = [
    "LLAMA_ARG_",
    "GGML_",
    "VLLM_",
    "SGLANG_",
    "INFINITY_",
    "MLX_",
    "HF_",
    "TRANSFORMERS_",
    "CUDA_",
    "HIP_",
    "ROCR_",
    "OMP_",
];

/// Those of `names`, the manager's own environment, that reach a backend and may steer it; what is `given` to the
/// backend on purpose is no surprise. Sorted; names alone, for a value may be a key.
pub fn inherited<'a>(names: impl IntoIterator<Item = &'a str>, given: impl Fn(&str) -> bool) -> Vec<String> {
    let steers = |name: &&str| ENGINES.iter().any(|engine| name.starts_with(engine));
    let mut found: Vec<String> =
        names.into_iter().filter(steers).filter(|name| !given(name)).map(str::to_owned).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_and_was_not_given_is_named() {
        let names =
            ["PATH", "VLLM_USE_V1", "LLAMA_ARG_CTX_SIZE", "HF_HOME", "MY_HF_HOME", "CUDA_VISIBLE_DEVICES"];
        assert_eq!(
            inherited(names, |name| name == "CUDA_VISIBLE_DEVICES"),
            ["HF_HOME", "LLAMA_ARG_CTX_SIZE", "VLLM_USE_V1"]
        );
        assert_eq!(inherited(["HOME"], |_| false), Vec::<String>::new());
        assert_eq!(inherited(["HF_HOME"], |_| true), Vec::<String>::new());
    }
}
