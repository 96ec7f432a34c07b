//! What the words of a command line want: which engine, which files, which flags.

use super::cache::CacheType;
use super::llama::Llama;
use super::served::Served;
use std::collections::BTreeMap;

/// A server whose flags are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Engine {
    /// llama.cpp's.
    Llama(Box<Llama>),
    /// vLLM or SGLang.
    Served(Served),
}

/// What a launch wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Launched {
    /// Which server, with its flags.
    pub engine: Engine,
    /// The file or folder of the model as it is written, or its name in a hub.
    pub model: String,
    /// The projector's file.
    pub projector: Option<String>,
    /// The draft model's file, with the types of its cache and its layers on cards.
    pub draft: Option<(String, CacheType, CacheType, Option<u64>)>,
    /// Flags that change memory in a way that isn't reckoned.
    pub ignored: Vec<String>,
}

/// Names of a flag, and the variable of the environment that stands for it.
type Names = (&'static [&'static str], &'static str);

const MODEL: Names = (&["-m", "--model"], "LLAMA_ARG_MODEL");
const PROJECTOR: Names = (&["-mm", "--mmproj"], "LLAMA_ARG_MMPROJ");
const DRAFT: Names = (&["-md", "--model-draft", "--spec-draft-model"], "LLAMA_ARG_SPEC_DRAFT_MODEL");
const CONTEXT: Names = (&["-c", "--ctx-size"], "LLAMA_ARG_CTX_SIZE");
const SLOTS: Names = (&["-np", "--parallel"], "LLAMA_ARG_N_PARALLEL");
const BATCH: Names = (&["-b", "--batch-size"], "LLAMA_ARG_BATCH");
const MICRO_BATCH: Names = (&["-ub", "--ubatch-size"], "LLAMA_ARG_UBATCH");
const KEYS: Names = (&["-ctk", "--cache-type-k"], "LLAMA_ARG_CACHE_TYPE_K");
const VALUES: Names = (&["-ctv", "--cache-type-v"], "LLAMA_ARG_CACHE_TYPE_V");
const DRAFT_KEYS: Names =
    (&["-ctkd", "--cache-type-k-draft", "--spec-draft-type-k"], "LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_K");
const DRAFT_VALUES: Names =
    (&["-ctvd", "--cache-type-v-draft", "--spec-draft-type-v"], "LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_V");
const LAYERS: Names = (&["-ngl", "--gpu-layers", "--n-gpu-layers"], "LLAMA_ARG_N_GPU_LAYERS");
const DRAFT_LAYERS: Names = (
    &["-ngld", "--gpu-layers-draft", "--n-gpu-layers-draft", "--spec-draft-ngl"],
    "LLAMA_ARG_N_GPU_LAYERS_DRAFT",
);
const CPU_EXPERTS: Names = (&["-ncmoe", "--n-cpu-moe"], "LLAMA_ARG_N_CPU_MOE");
const SPLIT: Names = (&["-ts", "--tensor-split"], "LLAMA_ARG_TENSOR_SPLIT");
const SPLIT_MODE: Names = (&["-sm", "--split-mode"], "LLAMA_ARG_SPLIT_MODE");
const MAIN_CARD: Names = (&["-mg", "--main-gpu"], "LLAMA_ARG_MAIN_GPU");
const FLASH: Names = (&["-fa", "--flash-attn"], "LLAMA_ARG_FLASH_ATTN");
const FIT: Names = (&["-fit", "--fit"], "LLAMA_ARG_FIT");
const KEPT_PROMPTS: Names = (&["-cram", "--cache-ram"], "LLAMA_ARG_CACHE_RAM");
const DEVICE: Names = (&["-dev", "--device"], "LLAMA_ARG_DEVICE");

/// Changes which tensors are where, in ways that only the server knows.
const NOT_RECKONED: [&str; 6] =
    ["-ot", "--override-tensor", "--lora", "--lora-scaled", "--control-vector", "--rpc"];

/// The words of a launch and its environment.
struct Words<'a> {
    words: &'a [String],
    environment: &'a BTreeMap<String, String>,
}

impl<'a> Words<'a> {
    /// The value of a flag, or of the variable that stands for it.
    fn value(&self, (names, variable): Names) -> Option<&'a str> {
        let found = self.last(|word| names.contains(&word));
        found.or_else(|| self.environment.get(variable).map(String::as_str))
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.last(|word| word == name)
    }

    /// What follows a word, or its `=`: the last one counts, as the servers have it.
    fn last(&self, is_it: impl Fn(&str) -> bool) -> Option<&'a str> {
        let mut found = None;
        for (at, word) in self.words.iter().enumerate() {
            if is_it(word) {
                found = self.words.get(at + 1).map(String::as_str).or(found);
            } else if let Some((_, value)) = word.split_once('=').filter(|(name, _)| is_it(name)) {
                found = Some(value);
            }
        }
        found
    }

    fn number(&self, names: Names) -> Option<u64> {
        self.value(names)?.parse().ok()
    }

    fn has(&self, names: &[&str]) -> bool {
        self.words.iter().any(|word| names.contains(&word.as_str()))
    }

    fn cache(&self, names: Names) -> CacheType {
        self.value(names).and_then(CacheType::of).unwrap_or_default()
    }
}

/// The file name of a program, without folder and `.exe`.
fn program(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name.strip_suffix(".exe").unwrap_or(name)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Llama,
    Vllm,
    Sglang,
}

fn family(words: &[String]) -> Option<Family> {
    words.iter().find_map(|word| match program(word) {
        "llama-server" | "xllama-server" | "xllama-server.py" | "llama_cpp.server" => Some(Family::Llama),
        "vllm" => Some(Family::Vllm),
        name if name.starts_with("vllm.entrypoints.") => Some(Family::Vllm),
        "sglang" | "sglang.launch_server" | "sglang_router.launch_server" => Some(Family::Sglang),
        _ => None,
    })
}

impl Launched {
    /// Whether these words start a server that is known here.
    pub fn is_known(words: &[String]) -> bool {
        family(words).is_some()
    }

    /// What the words want; `None`: they start no server that is known here, or name no model.
    pub fn of(words: &[String], environment: &BTreeMap<String, String>) -> Option<Self> {
        let family = family(words)?;
        let words = Words { words, environment };
        match family {
            Family::Llama => llama(&words),
            Family::Vllm => {
                let cards = words.number((&["-tp", "--tensor-parallel-size"], "")).unwrap_or(1).max(1);
                let stages = words.number((&["-pp", "--pipeline-parallel-size"], "")).unwrap_or(1).max(1);
                let served = Served {
                    name: "vLLM",
                    share: fraction(&words, "--gpu-memory-utilization").unwrap_or(0.9),
                    flag: "--gpu-memory-utilization",
                    cards: cards.saturating_mul(stages),
                    cache: words.number((&["--kv-cache-memory-bytes", "--kv-cache-memory"], "")),
                    in_ram: gib(&words, "--cpu-offload-gb"),
                };
                Some(served_model(&words, served, (&["--model"], ""), "serve"))
            }
            Family::Sglang => {
                let cards = words.number((&["--tp", "--tp-size", "--tensor-parallel-size"], "")).unwrap_or(1);
                let served = Served {
                    name: "SGLang",
                    share: fraction(&words, "--mem-fraction-static").unwrap_or(0.88),
                    flag: "--mem-fraction-static",
                    cards: cards.max(1),
                    cache: None,
                    in_ram: gib(&words, "--cpu-offload-gb"),
                };
                Some(served_model(&words, served, (&["--model-path", "--model"], ""), "serve"))
            }
        }
    }
}

fn fraction(words: &Words<'_>, name: &'static str) -> Option<f64> {
    let share: f64 = words.option(name)?.parse().ok()?;
    (share > 0.0 && share <= 1.0).then_some(share)
}

fn gib(words: &Words<'_>, name: &'static str) -> u64 {
    let gib = words.option(name).and_then(|text| text.parse::<f64>().ok());
    gib.filter(|gib| (0.0..1e6).contains(gib)).map_or(0, |gib| (gib * f64::from(1 << 30)) as u64)
}

fn served_model(words: &Words<'_>, served: Served, names: Names, verb: &str) -> Launched {
    let behind_verb = || {
        let at = words.words.iter().position(|word| word == verb)?;
        words.words.get(at + 1).map(String::as_str).filter(|word| !word.starts_with('-'))
    };
    let model = words.value(names).or_else(behind_verb).unwrap_or_default().to_owned();
    Launched { engine: Engine::Served(served), model, projector: None, draft: None, ignored: Vec::new() }
}

fn llama(words: &Words<'_>) -> Option<Launched> {
    let model = words.value(MODEL)?.to_owned();
    let layers = |names| words.value(names).and_then(|text: &str| text.parse::<i64>().ok());
    // -1 and "all" are the same.
    let layers = |names| layers(names).and_then(|layers| u64::try_from(layers).ok());
    let mut flags = Llama {
        context: words.number(CONTEXT),
        slots: words.number(SLOTS).filter(|slots| *slots > 0),
        keys: words.cache(KEYS),
        values: words.cache(VALUES),
        gpu_layers: layers(LAYERS),
        cpu_experts: if words.has(&["-cmoe", "--cpu-moe"]) {
            u64::MAX
        } else {
            words.number(CPU_EXPERTS).unwrap_or(0)
        },
        cache_on_card: !words.has(&["-nkvo", "--no-kv-offload"]),
        no_flash: words.value(FLASH).is_some_and(|value| matches!(value, "off" | "0" | "false" | "disabled")),
        full_windows: words.has(&["--swa-full"]),
        fit: !words.value(FIT).is_some_and(|value| matches!(value, "off" | "0" | "false")),
        projector_in_ram: words.has(&["--no-mmproj-offload"]),
        ..Llama::default()
    };
    flags.batch = words.number(BATCH).unwrap_or(flags.batch);
    flags.micro_batch = words.number(MICRO_BATCH).unwrap_or(flags.micro_batch);
    if words.has(&["-kvu", "--kv-unified"]) {
        flags.unified = Some(true);
    } else if words.has(&["-no-kvu", "--no-kv-unified"]) {
        flags.unified = Some(false);
    }
    if let Some(mib) = words.value(KEPT_PROMPTS).and_then(|text| text.parse::<i64>().ok()) {
        flags.kept_prompts = u64::try_from(mib).ok();
    }
    let parts = words.value(SPLIT).unwrap_or_default();
    flags.split = parts.split([',', '/']).filter_map(|part| part.trim().parse().ok()).collect();
    if words.value(SPLIT_MODE) == Some("none") {
        flags.only_card = Some(words.number(MAIN_CARD).and_then(|at| usize::try_from(at).ok()).unwrap_or(0));
    }
    if words.value(DEVICE) == Some("none") {
        flags.gpu_layers = Some(0);
    }
    let draft = words.value(DRAFT).map(|file| {
        (file.to_owned(), words.cache(DRAFT_KEYS), words.cache(DRAFT_VALUES), layers(DRAFT_LAYERS))
    });
    let projector = words.value(PROJECTOR).filter(|_| !words.has(&["--no-mmproj"])).map(str::to_owned);
    let given = |name: &&str| words.has(&[name]);
    let ignored = NOT_RECKONED.into_iter().filter(given).map(str::to_owned).collect();
    Some(Launched { engine: Engine::Llama(Box::new(flags)), model, projector, draft, ignored })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launched(line: &str) -> Option<Launched> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Launched::of(&words, &BTreeMap::from([("LLAMA_ARG_N_PARALLEL".to_owned(), "3".to_owned())]))
    }

    #[test]
    fn flags_of_llama_server() {
        let line = "taskset 3 /opt/llama-server.exe -m a.gguf -c 1 --ctx-size=8192 -ctk q8_0 -ngl 20 -ncmoe 4 -ts 3,1 \
                    -fa off --mmproj p.gguf -md d.gguf -ngld 9 -cram -1 -ot x=CPU -sm none -mg 1 -fit off";
        let found = launched(line).unwrap();
        let Engine::Llama(flags) = &found.engine else { panic!("{found:?}") };
        assert_eq!(
            (flags.context, flags.slots, flags.gpu_layers, flags.cpu_experts),
            (Some(8192), Some(3), Some(20), 4)
        );
        assert_eq!(
            (flags.keys, flags.values, &flags.split[..]),
            (CacheType::Blocks(34), CacheType::F16, &[3.0, 1.0][..])
        );
        assert_eq!(
            (flags.no_flash, flags.kept_prompts, flags.only_card, flags.fit),
            (true, None, Some(1), false)
        );
        assert_eq!((&*found.model, found.projector.as_deref()), ("a.gguf", Some("p.gguf")));
        assert_eq!(found.draft, Some(("d.gguf".to_owned(), CacheType::F16, CacheType::F16, Some(9))));
        assert_eq!(found.ignored, ["-ot"]);
        assert_eq!(launched("llama-server -hf org/model"), None);
        assert_eq!(launched("python server.py -m a.gguf"), None);
    }

    #[test]
    fn flags_that_stand_alone() {
        let llama = |line: &str| {
            let found = launched(&format!("llama-server -m a.gguf {line}")).unwrap();
            let Engine::Llama(flags) = found.engine else { panic!("{line}") };
            (*flags, found.projector)
        };
        let usual = Llama { slots: Some(3), ..Llama::default() };
        let cases: [(&str, Llama); 17] = [
            ("-nkvo", Llama { cache_on_card: false, ..usual.clone() }),
            ("--no-kv-offload", Llama { cache_on_card: false, ..usual.clone() }),
            ("-kvu", Llama { unified: Some(true), ..usual.clone() }),
            ("--no-kv-unified", Llama { unified: Some(false), ..usual.clone() }),
            ("--swa-full", Llama { full_windows: true, ..usual.clone() }),
            ("--no-mmproj-offload", Llama { projector_in_ram: true, ..usual.clone() }),
            ("--cpu-moe", Llama { cpu_experts: u64::MAX, ..usual.clone() }),
            ("-b 1024 -ub 256", Llama { batch: 1024, micro_batch: 256, ..usual.clone() }),
            ("-sm none", Llama { only_card: Some(0), ..usual.clone() }),
            ("-sm layer -mg 1", usual.clone()),
            ("-dev none", Llama { gpu_layers: Some(0), ..usual.clone() }),
            ("-dev CUDA1", usual.clone()),
            ("-fa on -fit on", usual.clone()),
            ("-fa 0 -fit 0", Llama { no_flash: true, fit: false, ..usual.clone() }),
            ("-cram 100", Llama { kept_prompts: Some(100), ..usual.clone() }),
            ("-ngl -1", usual.clone()),
            ("-np 0", Llama { slots: None, ..usual.clone() }),
        ];
        for (line, flags) in cases {
            assert_eq!(llama(line).0, flags, "{line}");
        }
        assert_eq!(llama("--mmproj p.gguf --no-mmproj").1, None);
    }

    #[test]
    fn programs_are_known_by_their_names() {
        let is_known =
            |line: &str| Launched::is_known(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in [
            "C:\\bin\\llama-server.exe",
            "/opt/xllama-server",
            "python xllama-server.py",
            "python -m llama_cpp.server",
            "vllm serve",
            "python -m vllm.entrypoints.api_server",
            "sglang serve",
            "python -m sglang.launch_server",
            "python -m sglang_router.launch_server",
        ] {
            assert!(is_known(line), "{line}");
        }
        for line in ["python server.py", "my-llama-server", "vllm.py", "sglang.bench"] {
            assert!(!is_known(line), "{line}");
        }
    }

    #[test]
    fn shares_and_cards_of_served_models() {
        let served = |line: &str| {
            let Some(Launched { engine: Engine::Served(served), model, .. }) = launched(line) else {
                panic!("{line}")
            };
            (served, model)
        };
        let share = |line: &str| served(&format!("vllm serve m --gpu-memory-utilization {line}")).0.share;
        assert_eq!(
            (share("0"), share("1"), share("1.1"), share("-1"), share("x")),
            (0.9, 1.0, 0.9, 0.9, 0.9)
        );
        let cards = |line: &str| served(line).0.cards;
        assert_eq!((cards("vllm serve m -tp 2 -pp 3"), cards("vllm serve m -tp 0 -pp 0")), (6, 1));
        assert_eq!((cards("sglang serve m --tp 0"), cards("sglang serve m")), (1, 1));
        let in_ram = |line: &str| served(&format!("sglang serve m --cpu-offload-gb {line}")).0.in_ram;
        assert_eq!((in_ram("2"), in_ram("-1"), in_ram("1e9"), in_ram("x")), (2 << 30, 0, 0, 0));
        let (plain, model) = served("vllm serve --port 8000");
        assert_eq!((&*model, plain.cache, plain.in_ram), ("", None, 0));
        assert_eq!(served("vllm serve m --kv-cache-memory-bytes 7").0.cache, Some(7));
        let (plain, model) = served("sglang serve org/m");
        assert_eq!((&*model, plain.share, plain.cache), ("org/m", 0.88, None));
    }

    #[test]
    fn flags_of_vllm_and_sglang() {
        let line = "vllm serve /m/qwen --gpu-memory-utilization=0.5 -tp 2 --cpu-offload-gb 1.5";
        let Some(Launched { engine: Engine::Served(served), model, .. }) = launched(line) else { panic!() };
        assert_eq!((&*model, served.share, served.cards, served.in_ram), ("/m/qwen", 0.5, 2, 3 << 29));
        let line = "python -m vllm.entrypoints.openai.api_server --model org/m --gpu-memory-utilization 7";
        let Some(Launched { engine: Engine::Served(served), model, .. }) = launched(line) else { panic!() };
        assert_eq!((&*model, served.share), ("org/m", 0.9));
        let line = "python -m sglang.launch_server --model-path /m/x --mem-fraction-static 0.7 --tp 4";
        let Some(Launched { engine: Engine::Served(served), model, .. }) = launched(line) else { panic!() };
        assert_eq!((&*model, served.name, served.share, served.cards), ("/m/x", "SGLang", 0.7, 4));
    }
}
