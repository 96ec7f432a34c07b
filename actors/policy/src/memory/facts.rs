//! What the header of a GGUF model means for memory: what each layer weighs, and what it keeps of a token.

use super::header::{Header, Value};
use std::fmt;

/// No model has more; what claims to is damaged.
const MOST_LAYERS: u64 = 4096;

/// Why a header can't be reckoned with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub(super) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// A model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `llama`, `qwen3moe`, ...
    pub architecture: String,
    /// The context that it was trained for; a server that is told none takes it.
    pub context: u64,
    /// The repeating layers.
    pub layers: Vec<Layer>,
    /// Bytes of what comes before the layers; it stays in RAM.
    pub input: u64,
    /// Bytes of what comes behind them.
    pub output: u64,
    /// The output uses the input's matrix: on a card there is a second one.
    pub is_tied: bool,
    /// Tokens of the sliding window of those layers that have one.
    pub window: u64,
    /// Numbers that a token needs while a layer works on it, at the most.
    pub activation: u64,
    /// Length of an embedding.
    pub embedding: u64,
    /// Heads of attention.
    pub heads: u64,
}

/// One layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Bytes of its weights without the experts'.
    pub dense: u64,
    /// Bytes of its experts.
    pub experts: u64,
    /// Numbers of a token's keys; 0: it keeps none.
    pub keys: u64,
    /// Numbers of a token's values.
    pub values: u64,
    /// It sees the sliding window only.
    pub is_windowed: bool,
    /// Bytes of the state that it keeps per slot, however long the text.
    pub state: u64,
}

/// What models of an architecture do that their header doesn't say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Habits {
    /// They keep nothing: they see a text once.
    keeps_nothing: bool,
    /// Every layer is recurrent.
    is_recurrent: bool,
    /// Every layer is recurrent and attends.
    does_both: bool,
    /// Every so-and-so-many layers one attends to everything, the others to a window.
    window_pattern: u64,
    /// That one comes first of its group, not last.
    is_dense_first: bool,
    /// The window, where the header doesn't say.
    window: u64,
    /// One of so many layers attends, the others are recurrent, unless the header says otherwise.
    attends_each: u64,
}

/// `set_swa_pattern` and the choice of memory in llama.cpp (src/models, src/llama-model.cpp).
fn habits(architecture: &str) -> Habits {
    let none = Habits::default();
    let windows = |window_pattern| Habits { window_pattern, ..none };
    match architecture {
        "bert" | "nomic-bert" | "nomic-bert-moe" | "neo-bert" | "jina-bert-v2" | "jina-bert-v3"
        | "modern-bert" | "eurobert" | "gemma-embedding" | "t5encoder" | "wavtokenizer-dec" | "dream"
        | "llada" | "llada-moe" | "rnd1" => Habits { keeps_nothing: true, ..none },
        "mamba" | "mamba2" | "rwkv6" | "rwkv6qwen2" | "rwkv7" | "arwkv7" => {
            Habits { is_recurrent: true, ..none }
        }
        "falcon-h1" => Habits { does_both: true, ..none },
        "qwen3next" | "qwen35" | "qwen35moe" => Habits { attends_each: 4, ..none },
        "gemma2" => Habits { window: 4096, ..windows(2) },
        "gpt-oss" => windows(2),
        "gemma3" => windows(6),
        "gemma3n" => windows(5),
        "llama4" => Habits { window: 8192, ..windows(4) },
        "cohere2" | "exaone4" | "exaone-moe" | "olmo2" | "afmoe" => windows(4),
        "smallthinker" => Habits { is_dense_first: true, window: 4096, ..windows(4) },
        _ => none,
    }
}

impl Facts {
    /// What the header means.
    ///
    /// # Errors
    /// It names no architecture, or a number of layers that no model has.
    pub fn of(header: &Header) -> Result<Self, Unreadable> {
        let architecture = header
            .architecture()
            .ok_or_else(|| Unreadable("the header names no general.architecture".to_owned()))?;
        let count = header.number("block_count").unwrap_or(0);
        let count = usize::try_from(count).ok().filter(|_| count <= MOST_LAYERS).ok_or_else(|| {
            Unreadable(format!("the header has {architecture}.block_count = {count}, which no model has"))
        })?;
        let habits = habits(architecture);
        let window = header.number("attention.sliding_window").unwrap_or(habits.window);
        let mut facts = Self {
            architecture: architecture.to_owned(),
            context: header.number("context_length").unwrap_or(4096),
            layers: vec![Layer::default(); count],
            window,
            embedding: header.number("embedding_length").unwrap_or(0),
            heads: header.number("attention.head_count").unwrap_or(0),
            is_tied: true,
            ..Self::default()
        };
        facts.weigh(header);
        let kept =
            count.saturating_sub(usize::try_from(unkept(header, architecture, count)).unwrap_or(count));
        for (at, layer) in facts.layers.iter_mut().enumerate().take(kept) {
            keep(header, habits, window, at, count, layer);
        }
        facts.activation = activation(header);
        Ok(facts)
    }

    fn weigh(&mut self, header: &Header) {
        for tensor in &header.tensors {
            let block = tensor.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
            let layer = block.and_then(|(number, _)| number.parse::<usize>().ok());
            let bytes = match layer.and_then(|at| self.layers.get_mut(at)) {
                Some(layer) if tensor.name.contains("_exps.") => &mut layer.experts,
                Some(layer) => &mut layer.dense,
                None if tensor.name.starts_with("output") => {
                    self.is_tied &= tensor.name != "output.weight";
                    &mut self.output
                }
                None => &mut self.input,
            };
            *bytes = bytes.saturating_add(tensor.bytes);
        }
    }
}

/// How many layers at the end keep nothing of their own.
fn unkept(header: &Header, architecture: &str, count: usize) -> u64 {
    let shared = header.number("attention.shared_kv_layers").unwrap_or(0);
    // Its first 20 layers keep what the others read (llama.cpp, src/models/gemma3n.cpp).
    if architecture == "gemma3n" { (count as u64).saturating_sub(20) } else { shared }
}

/// What a layer keeps.
fn keep(header: &Header, habits: Habits, window: u64, at: usize, count: usize, layer: &mut Layer) {
    if habits.keeps_nothing {
        return;
    }
    let heads = header.of_layer("attention.head_count", at).unwrap_or(0);
    let kv_heads = header.of_layer("attention.head_count_kv", at).unwrap_or(heads);
    let each = header.number("full_attention_interval").unwrap_or(habits.attends_each);
    let has_state = header.number("ssm.inner_size").or(header.number("shortconv.l_cache")).is_some();
    let is_recurrent = habits.is_recurrent
        || habits.does_both
        || (each > 0 && !(at as u64 + 1).is_multiple_of(each))
        // Layers of Nemotron-H that only feed forward do neither.
        || (has_state && kv_heads == 0 && !(header.architecture().is_some_and(|one| one.starts_with("nemotron_h"))
            && header.of_layer("feed_forward_length", at).unwrap_or(0) > 0));
    if is_recurrent {
        layer.state = state(header).saturating_mul(4);
        if !habits.does_both {
            return;
        }
    }
    layer.is_windowed = window > 0 && is_windowed(header, habits, at, count);
    let length = |key: &str, windowed: &str| {
        let of_window = layer.is_windowed.then(|| header.of_layer(windowed, at)).flatten();
        let plain = || header.embedding_length().checked_div(heads);
        of_window.or_else(|| header.of_layer(key, at)).or_else(plain).unwrap_or(0)
    };
    let key = length("attention.key_length", "attention.key_length_swa");
    let value = length("attention.value_length", "attention.value_length_swa");
    layer.keys = kv_heads.saturating_mul(key);
    // MLA: the compressed row of keys has the values, too.
    let is_mla = header.number("attention.key_length_mla").is_some();
    layer.values = if is_mla { 0 } else { kv_heads.saturating_mul(value) };
}

impl Header {
    fn embedding_length(&self) -> u64 {
        self.number("embedding_length").unwrap_or(0)
    }
}

fn is_windowed(header: &Header, habits: Habits, at: usize, count: usize) -> bool {
    let pattern = match header.value("attention.sliding_window_pattern") {
        Some(Value::Numbers(list)) => return list.get(at).is_some_and(|windowed| *windowed != 0),
        Some(Value::Number(pattern)) => *pattern,
        _ => habits.window_pattern,
    };
    // Of EXAONE 4 only the large one has windows.
    if pattern == 0 || (header.architecture() == Some("exaone4") && count < 64) {
        return false;
    }
    let place = at as u64 % pattern;
    if habits.is_dense_first { place != 0 } else { place < pattern - 1 }
}

/// Numbers of a recurrent layer's state for one slot (llama.cpp, `n_embd_r` and `n_embd_s`).
fn state(header: &Header) -> u64 {
    let number = |key: &str| header.number(key).unwrap_or(0);
    let embedding = header.embedding_length();
    if let Some(size) = header.number("wkv.head_size") {
        let shifts = header.number("token_shift_count").unwrap_or(2);
        return embedding.saturating_mul(shifts.saturating_add(size));
    }
    if let Some(length) = header.number("shortconv.l_cache") {
        return embedding.saturating_mul(length.saturating_sub(1));
    }
    let convolution = number("ssm.conv_kernel").saturating_sub(1);
    if let Some(size) = header.number("kda.head_dim") {
        let wide = number("attention.head_count").saturating_mul(size);
        return wide.saturating_mul(convolution.saturating_mul(3).saturating_add(size));
    }
    let (inner, size) = (number("ssm.inner_size"), number("ssm.state_size"));
    let grouped = number("ssm.group_count").saturating_mul(size).saturating_mul(2);
    let remembered = convolution.saturating_mul(inner.saturating_add(grouped));
    remembered.saturating_add(size.saturating_mul(inner))
}

/// Numbers that a token takes in the widest place of a layer: fitted to what llama.cpp printed for models of many
/// shapes, and no formula of its own.
fn activation(header: &Header) -> u64 {
    let number = |key: &str| header.number(key).unwrap_or(0);
    let times = |one: u64, other: u64| one.saturating_mul(other);
    let sum = |terms: &[u64]| terms.iter().fold(0_u64, |sum, term| sum.saturating_add(*term));
    let embedding = header.embedding_length();
    let heads = number("attention.head_count");
    let plain = embedding.checked_div(heads).unwrap_or(0);
    let key = header.number("attention.key_length").unwrap_or(plain);
    let kv = times(number("attention.head_count_kv"), key);
    let attention =
        match header.number("attention.key_length_mla").and(header.number("attention.kv_lora_rank")) {
            Some(rank) => sum(&[times(3, embedding), times(heads, times(2, rank)), times(heads, key)]),
            None => sum(&[times(3, embedding), times(2, times(heads, key)), kv]),
        };
    let forward = number("feed_forward_length");
    let dense = sum(&[times(3, forward), times(4, embedding)]);
    let used = number("expert_used_count");
    let expert = header.number("expert_feed_forward_length").unwrap_or(forward);
    let experts = if used == 0 {
        0
    } else {
        let inner = times(used, expert);
        sum(&[times(3, inner), times(4, embedding)]).max(sum(&[
            times(used, embedding),
            inner,
            times(11, embedding) / 4,
        ]))
    };
    let inner = number("ssm.inner_size");
    let recurrent = if inner == 0 {
        0
    } else {
        let grouped = times(2, times(number("ssm.group_count"), number("ssm.state_size")));
        sum(&[times(3, sum(&[times(2, inner), grouped])), embedding])
    };
    // Where all feed forward through experts but for the first layers, those may still be the widest.
    let is_all_experts = used > 0 && header.number("leading_dense_block_count").unwrap_or(0) == 0;
    let dense = if is_all_experts { 0 } else { dense };
    attention.max(dense).max(experts).max(recurrent)
}
