//! Memory before the first run: the layout of the cache, what goes to which card, and what a header may claim.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use llm_manager_policy::devices::Requirement;
use llm_manager_policy::memory::{
    CacheType, Cards, DraftModel, Estimate, EstimateLine, Facts, Header, Llama, LoadedWeights, MIB,
    MemoryLocation, MemoryPurpose, Served, Tensor, Value, llama, served, shares,
};
use proptest::prelude::*;

/// A model of `architecture` with 4 layers of 100 MiB and 60 MiB of experts, an input of 50 MiB and an output of 70.
fn header(architecture: &str, numbers: &[(&str, u64)]) -> Header {
    let usual = [
        ("block_count", 4),
        ("context_length", 65_536),
        ("embedding_length", 1024),
        ("attention.head_count", 16),
        ("attention.head_count_kv", 4),
        ("attention.key_length", 128),
        ("attention.value_length", 128),
    ];
    let mut header = Header::default();
    header.values.insert("general.architecture".to_owned(), Value::Text(architecture.to_owned()));
    for (key, number) in usual.iter().chain(numbers) {
        header.values.insert(format!("{architecture}.{key}"), Value::Number(*number));
    }
    let mut tensor = |name: String, mib: u64| header.tensors.push(Tensor { name, bytes: mib * MIB });
    tensor("token_embd.weight".to_owned(), 50);
    tensor("output.weight".to_owned(), 70);
    for layer in 0..4 {
        tensor(format!("blk.{layer}.attn_q.weight"), 100);
        tensor(format!("blk.{layer}.ffn_up_exps.weight"), 60);
    }
    header
}

fn loaded(header: &Header) -> LoadedWeights {
    LoadedWeights { facts: Facts::of(header).unwrap(), projector: 0, draft: None }
}

fn mib(estimate: &Estimate, place: MemoryLocation, kind: MemoryPurpose) -> u64 {
    let part = estimate.parts.iter().find(|part: &&EstimateLine| part.place == place && part.kind == kind);
    part.map_or(0, |part| part.bytes / MIB)
}

fn flags(change: impl FnOnce(&mut Llama)) -> Llama {
    let mut flags = Llama { context: Some(8192), ..Llama::default() };
    change(&mut flags);
    flags
}

fn list(header: &mut Header, key: &str, list: &[u64]) {
    header.values.insert(key.to_owned(), Value::Numbers(list.to_vec()));
}

/// The KV cache and the states in RAM, in MiB.
fn kept(header: &Header, flags: &Llama) -> (u64, u64) {
    let estimate = llama(&loaded(header), flags, &Cards::default());
    (
        mib(&estimate, MemoryLocation::Host, MemoryPurpose::Cache),
        mib(&estimate, MemoryLocation::Host, MemoryPurpose::State),
    )
}

#[test]
fn the_cache_follows_the_architecture() {
    // A row: 4 heads x (128 + 128) x 2 bytes = 2 KiB; 8192 cells of 4 layers are 64 MiB.
    let plain = header("llama", &[]);
    assert_eq!(kept(&plain, &flags(|_| ())), (64, 0));
    assert_eq!(kept(&plain, &flags(|flags| flags.slots = Some(3))), (66, 0), "three streams of 2816 cells");
    let shared = flags(|flags| (flags.slots, flags.unified) = (Some(3), Some(true)));
    assert_eq!(kept(&plain, &shared), (64, 0));
    let smaller = flags(|flags| (flags.keys, flags.values) = (CacheType::Blocks(34), CacheType::Blocks(18)));
    assert_eq!(kept(&plain, &smaller), (26, 0));
    // Gemma 3: of 4 layers none is the sixth, so all have the window: 512 x 4 slots + 512 = 2560 cells.
    let windows = header("gemma3", &[("attention.sliding_window", 512)]);
    assert_eq!(kept(&windows, &flags(|_| ())), (20, 0));
    assert_eq!(kept(&windows, &flags(|flags| flags.full_windows = true)), (64, 0));
    assert_eq!(kept(&windows, &flags(|flags| flags.slots = Some(1))), (8, 0), "512 + 512 cells");
    // The header's own pattern goes first.
    let mut windows = windows;
    list(&mut windows, "gemma3.attention.sliding_window_pattern", &[0, 0, 0, 1]);
    assert_eq!(kept(&windows, &flags(|_| ())), (48 + 5, 0));
    // MLA: one row of 576 numbers, no values.
    let mla =
        [("attention.head_count_kv", 1), ("attention.key_length", 576), ("attention.value_length", 512)];
    let mla = header(
        "deepseek2",
        &[&mla[..], &[("attention.key_length_mla", 192), ("attention.kv_lora_rank", 512)]].concat(),
    );
    assert_eq!(kept(&mla, &flags(|_| ())), (36, 0));
    // Hybrid: a layer without heads keeps a state: 4 x (3 x 8192 + 16 x 8192) bytes for each slot.
    let mut hybrid =
        header("jamba", &[("ssm.inner_size", 8192), ("ssm.state_size", 16), ("ssm.conv_kernel", 4)]);
    list(&mut hybrid, "jamba.attention.head_count_kv", &[0, 4, 0, 0]);
    assert_eq!(kept(&hybrid, &flags(|_| ())), (16, 7), "3 layers x 4 slots x 608 KiB");
    // What sees a text once keeps nothing.
    assert_eq!(kept(&header("bert", &[]), &flags(|_| ())), (0, 0));
    // Layers that read what others keep.
    assert_eq!(kept(&header("gemma4", &[("attention.shared_kv_layers", 3)]), &flags(|_| ())), (16, 0));
}

/// In a context of 65536 cells a layer that sees all of it has 128 MiB, one with a window of 512 tokens 2 MiB.
#[test]
fn each_architecture_has_its_windows_and_states() {
    let long = flags(|flags| (flags.context, flags.slots) = (Some(65_536), Some(1)));
    let window: &[(&str, u64)] = &[("attention.sliding_window", 512)];
    let states: &[(&str, u64)] = &[("ssm.inner_size", 8192), ("ssm.state_size", 16), ("ssm.conv_kernel", 4)];
    let cases = [
        ("llama", window, (512, 0)),
        // Windows of 4096 and of 8192 tokens, which their headers don't say.
        ("gemma2", &[], (2 * 128 + 2 * 9, 0)),
        ("llama4", &[], (128 + 3 * 17, 0)),
        ("smallthinker", &[], (128 + 3 * 9, 0)),
        ("gpt-oss", window, (2 * 128 + 2 * 2, 0)),
        ("gemma3", window, (4 * 2, 0)),
        ("gemma3n", window, (4 * 2, 0)),
        // Its header names no window, so no layer has one.
        ("gemma3", &[], (512, 0)),
        ("cohere2", window, (128 + 3 * 2, 0)),
        ("exaone-moe", window, (128 + 3 * 2, 0)),
        ("olmo2", window, (128 + 3 * 2, 0)),
        ("afmoe", window, (128 + 3 * 2, 0)),
        // A small one has none.
        ("exaone4", window, (512, 0)),
        // 608 KiB for each layer that has a state.
        ("mamba", states, (0, 2)),
        ("falcon-h1", states, (512, 2)),
        ("qwen3next", states, (128, 1)),
        ("bert", states, (0, 0)),
    ];
    for (architecture, numbers, expected) in cases {
        assert_eq!(kept(&header(architecture, numbers), &long), expected, "{architecture}");
    }
}

#[test]
fn a_hybrid_attends_in_its_own_layers() {
    let states: &[(&str, u64)] = &[("ssm.inner_size", 8192), ("ssm.state_size", 16), ("ssm.conv_kernel", 4)];
    let of = |header: &Header| {
        let layers = loaded(header).facts.layers.into_iter();
        layers.map(|layer| (layer.keys > 0, layer.state > 0)).collect::<Vec<_>>()
    };
    let (attends, recurs, neither) = ((true, false), (false, true), (false, false));
    assert_eq!(of(&header("qwen3next", states)), [recurs, recurs, recurs, attends], "the last of four");
    let mut nemotron = header("nemotron_h", states);
    list(&mut nemotron, "nemotron_h.attention.head_count_kv", &[0, 4, 0, 0]);
    list(&mut nemotron, "nemotron_h.feed_forward_length", &[0, 0, 8192, 0]);
    assert_eq!(of(&nemotron), [recurs, attends, neither, recurs], "one only feeds forward");
    let windowed = |count| {
        let header = header("exaone4", &[("block_count", count), ("attention.sliding_window", 512)]);
        loaded(&header).facts.layers.iter().filter(|layer| layer.is_windowed).count()
    };
    assert_eq!([63, 64].map(windowed), [0, 48], "only the large one has windows");
    let windows = |header: Header| -> Vec<bool> {
        loaded(&header).facts.layers.iter().map(|layer| layer.is_windowed).collect()
    };
    assert_eq!(windows(header("smallthinker", &[])), [false, true, true, true], "the first of four sees all");
    assert_eq!(windows(header("llama4", &[])), [true, true, true, false], "the last of four does");
    // A header may say it with a number, too.
    let own = [("attention.sliding_window", 512), ("attention.sliding_window_pattern", 2)];
    assert_eq!(windows(header("gemma3", &own)), [true, false, true, false]);
}

#[test]
fn layers_go_to_cards_from_the_last_backwards() {
    let model = loaded(&header("llama", &[]));
    let weights = |flags: &Llama, cards: &[Option<u64>]| {
        let estimate = llama(&model, flags, &Cards(cards.to_vec()));
        let of = |place| mib(&estimate, place, MemoryPurpose::Weights);
        (of(MemoryLocation::Card(0)), of(MemoryLocation::Card(1)), of(MemoryLocation::Host))
    };
    let two = [Some(24_000), Some(24_000)];
    assert_eq!(weights(&flags(|_| ()), &[None]), (4 * 160 + 70, 0, 50));
    let own = llama(&model, &flags(|_| ()), &Cards(vec![None]));
    let process =
        [MemoryLocation::Card(0), MemoryLocation::Host].map(|place| mib(&own, place, MemoryPurpose::Process));
    assert_eq!(process, [300, 64], "the driver's and the server's own");
    assert_eq!(weights(&flags(|flags| flags.gpu_layers = Some(2)), &[None]), (160 + 70, 0, 50 + 3 * 160));
    assert_eq!(weights(&flags(|flags| flags.gpu_layers = Some(0)), &two), (0, 0, 760));
    assert_eq!(weights(&flags(|flags| flags.cpu_experts = 3), &[None]), (4 * 100 + 60 + 70, 0, 50 + 180));
    // Five layers with the output: three on the first card, as llama.cpp rounds.
    assert_eq!(weights(&flags(|_| ()), &two), (480, 160 + 70, 50));
    assert_eq!(weights(&flags(|flags| flags.split = vec![0.0, 1.0]), &two), (0, 710, 50));
    assert_eq!(weights(&flags(|flags| flags.split = vec![0.0, 0.0]), &two), (480, 160 + 70, 50), "no split");
    let beyond = flags(|flags| flags.split = vec![0.0, 0.0, 1.0]);
    assert_eq!(weights(&beyond, &two), (480, 160 + 70, 50), "of a card that isn't there");
    assert_eq!(weights(&flags(|_| ()), &[Some(0), Some(24_000)]), (480, 160 + 70, 50), "a size isn't known");
    assert_eq!(weights(&flags(|_| ()), &[Some(80_000), Some(20_000)]), (640, 70, 50));
    assert_eq!(weights(&flags(|flags| flags.only_card = Some(1)), &two), (0, 710, 50));
    // An output that is the input's matrix is on the card once more.
    let mut tied = header("llama", &[]);
    tied.tensors.retain(|tensor| tensor.name != "output.weight");
    let estimate = llama(&loaded(&tied), &flags(|_| ()), &Cards(vec![None]));
    assert_eq!(mib(&estimate, MemoryLocation::Card(0), MemoryPurpose::Weights), 640 + 50);
    // A projector is on the first card, a draft model where its own flag says.
    let facts = model.facts.clone();
    let draft = DraftModel { facts, keys: CacheType::F16, values: CacheType::F16, gpu_layers: Some(0) };
    let both = LoadedWeights { projector: 5 * MIB, draft: Some(draft), ..model.clone() };
    let estimate = llama(&both, &flags(|_| ()), &Cards(vec![None]));
    assert_eq!(mib(&estimate, MemoryLocation::Card(0), MemoryPurpose::Projector), 5);
    assert!(mib(&estimate, MemoryLocation::Host, MemoryPurpose::Draft) >= 760 + 64);
    let no_cache = llama(&model, &flags(|flags| flags.cache_on_card = false), &Cards(vec![None]));
    assert_eq!(mib(&no_cache, MemoryLocation::Host, MemoryPurpose::Cache), 64);
}

/// 512 tokens at once: 15 MiB for what a layer works on, 8 MiB for which of 8192 cells each may see, and 4 MiB for what
/// goes to the card.
#[test]
fn what_is_worked_on_needs_memory_where_the_layers_are() {
    let of = |flags: &Llama, cards: &Cards| {
        let estimate = llama(&loaded(&header("llama", &[])), flags, cards);
        [MemoryLocation::Host, MemoryLocation::Card(0)]
            .map(|place| mib(&estimate, place, MemoryPurpose::Compute))
    };
    let card = Cards(vec![None]);
    assert_eq!(of(&flags(|_| ()), &card), [4 + 8, 15 + 8]);
    assert_eq!(of(&flags(|flags| flags.gpu_layers = Some(2)), &card), [15 + 8, 15 + 8]);
    // `-ngl` counts the output as a layer: of 4 layers and the output only the first is in RAM, where it needs as much as many.
    assert_eq!(of(&flags(|flags| flags.gpu_layers = Some(4)), &card), [15 + 8, 15 + 8]);
    assert_eq!(of(&flags(|flags| flags.gpu_layers = Some(5)), &card), [4 + 8, 15 + 8]);
    assert_eq!(of(&flags(|_| ()), &Cards::default()), [15 + 8, 0]);
    // 16 heads x 8192 cells x 4 bytes for each token.
    assert_eq!(of(&flags(|flags| flags.no_flash = true), &card), [4 + 8, 15 + 8 + 256]);
    // 8 experts of 256 at a time: 8 x 1024 + 8 x 256 + 11/4 x 1024.
    let experts = [("expert_used_count", 8), ("expert_feed_forward_length", 256)];
    assert_eq!(loaded(&header("qwen3moe", &experts)).facts.activation, 8192 + 2048 + 2816);
    assert_eq!(loaded(&header("llama", &[])).facts.activation, 3 * 1024 + 2 * 16 * 128 + 4 * 128);
    let states: &[(&str, u64)] = &[("ssm.inner_size", 8192), ("ssm.state_size", 16), ("ssm.conv_kernel", 4)];
    assert_eq!(loaded(&header("mamba", states)).facts.activation, 3 * 2 * 8192 + 1024);
    // Without experts, or with some layers that have none, the widest place is a plain one: 3 x 16384 + 4 x 1024.
    let wide = ("feed_forward_length", 16_384);
    let activation = |numbers: &[(&str, u64)]| loaded(&header("qwen3moe", numbers)).facts.activation;
    assert_eq!(activation(&[wide]), 49_152 + 4096);
    let some = [&experts[..], &[wide, ("leading_dense_block_count", 1)]].concat();
    assert_eq!(activation(&some), 49_152 + 4096);
    assert_eq!(activation(&[&experts[..], &[wide]].concat()), 8192 + 2048 + 2816, "all feed through experts");
}

/// Which token may see which cell is a matter of layers that keep cells.
#[test]
fn without_a_cache_the_working_memory_does_not_grow_with_the_context() {
    let states: &[(&str, u64)] = &[("ssm.inner_size", 8192), ("ssm.state_size", 16), ("ssm.conv_kernel", 4)];
    let of = |header: &Header, context| {
        let flags = flags(|flags| flags.context = Some(context));
        mib(&llama(&loaded(header), &flags, &Cards::default()), MemoryLocation::Host, MemoryPurpose::Compute)
    };
    let no_flash = flags(|flags| flags.no_flash = true);
    let plain = |flags: &Llama| llama(&loaded(&header("bert", &[])), flags, &Cards::default()).parts;
    assert_eq!(plain(&no_flash), plain(&flags(|_| ())), "nor for attention");
    for header in [header("mamba", states), header("bert", &[])] {
        assert_eq!(of(&header, 8192), of(&header, 65_536));
    }
    let mut windows = header("jamba", &[states, &[("attention.sliding_window", 512)]].concat());
    list(&mut windows, "jamba.attention.head_count_kv", &[0, 4, 0, 0]);
    list(&mut windows, "jamba.attention.sliding_window_pattern", &[0, 1, 0, 0]);
    assert_eq!(of(&windows, 8192), of(&windows, 65_536), "its only cache has a window");
    assert!(of(&header("llama", &[]), 8192) < of(&header("llama", &[]), 65_536));
}

#[test]
fn a_header_says_how_much_its_tensors_weigh() {
    assert_eq!(header("llama", &[]).bytes(), (50 + 70 + 4 * 160) * MIB);
}

#[test]
fn a_model_is_told_with_its_slots() {
    let told = |change: fn(&mut Llama)| {
        llama(&loaded(&header("llama", &[])), &flags(change), &Cards::default()).model
    };
    let slots = |slots: &str| format!("llama, 4 layers, context 8192, {slots}");
    let zero = flags(|flags| flags.context = Some(0));
    let own = llama(&loaded(&header("llama", &[])), &zero, &Cards::default()).model;
    assert_eq!(own, "llama, 4 layers, context 65536, 4 slots that share it", "0 is the model's own");
    let keeps_nothing = llama(&loaded(&header("bert", &[])), &flags(|_| ()), &Cards::default());
    assert_eq!(keeps_nothing.model, "bert, 4 layers");
    assert_eq!(mib(&keeps_nothing, MemoryLocation::Host, MemoryPurpose::Prompts), 0);
    assert_eq!(told(|_| ()), slots("4 slots that share it"));
    assert_eq!(told(|flags| flags.slots = Some(1)), slots("1 slot"));
    assert_eq!(told(|flags| flags.slots = Some(3)), slots("3 slots"));
    assert_eq!(told(|flags| (flags.slots, flags.unified) = (Some(1), Some(true))), slots("1 slot"));
}

#[test]
fn without_a_context_as_much_is_taken_as_fits() {
    let model = loaded(&header("llama", &[]));
    let of = |total: u64, change: fn(&mut Llama)| {
        let mut flags = Llama::default();
        change(&mut flags);
        let estimate = llama(&model, &flags, &Cards(vec![Some(total)]));
        (
            mib(&estimate, MemoryLocation::Card(0), MemoryPurpose::Cache),
            estimate.mib(MemoryLocation::Card(0)),
            estimate.notes.len(),
        )
    };
    assert_eq!(of(24_000, |_| ()).0, 512, "all 65536 tokens");
    let (cache, all, notes) = of(2500, |_| ());
    assert!(
        (64..512).contains(&cache) && (1400..=1476).contains(&all) && notes == 1,
        "{cache} {all} {notes}"
    );
    assert_eq!(of(100, |_| ()).0, 32, "never less than 4096 tokens");
    // Among all that fit it is the largest, in steps of 256 tokens.
    for total in (1700..2800).step_by(67) {
        let with = |context| {
            let flags = Llama { context, ..Llama::default() };
            llama(&model, &flags, &Cards(vec![Some(total)]))
        };
        let fits = |context: &u64| with(Some(*context)).mib(MemoryLocation::Card(0)) + 1024 <= total;
        let largest = (4096..=65_536).step_by(256).filter(fits).max().unwrap_or(4096);
        assert_eq!(with(None).parts, with(Some(largest)).parts, "{total} MiB");
    }
    assert_eq!(of(2500, |flags| flags.fit = false).0, 512);
    assert_eq!(of(2500, |flags| flags.context = Some(65_536)).0, 512);
}

#[test]
fn vllm_takes_its_share_whatever_the_model_weighs() {
    let flags = Served {
        name: "vLLM",
        share: 0.5,
        flag: "--gpu-memory-utilization",
        cards: 2,
        cache: None,
        in_ram: 0,
    };
    let cards = Cards(vec![Some(16_000), Some(16_000), Some(16_000)]);
    let estimate = served(Some(6000 * MIB), &flags, &cards);
    assert_eq!([0, 1, 2].map(|card| estimate.mib(MemoryLocation::Card(card))), [8000, 8000, 0]);
    assert_eq!(
        (estimate.model.as_str(), mib(&estimate, MemoryLocation::Host, MemoryPurpose::Process)),
        ("vLLM", 2048)
    );
    assert_eq!(mib(&estimate, MemoryLocation::Card(1), MemoryPurpose::Weights), 3000);
    let large = served(Some(20_000 * MIB), &flags, &cards);
    assert!(large.notes.iter().any(|note| note.contains("will refuse to start")), "{:?}", large.notes);
    assert!(served(Some(16_000 * MIB), &flags, &cards).notes.is_empty(), "all of its share");
    let cache = served(Some(6000 * MIB), &Served { cache: Some(500 * MIB), ..flags.clone() }, &cards);
    assert_eq!(cache.mib(MemoryLocation::Card(0)), 3000 + 500 + 1024);
    let unknown = served(None, &flags, &Cards(vec![None]));
    assert_eq!((unknown.mib(MemoryLocation::Card(0)), unknown.notes.len()), (0, 1));
}

#[test]
fn each_entry_of_required_devices_has_its_share() {
    let required: Vec<_> =
        ["2x v100", "cpu", "rtx 4060"].iter().map(|text| Requirement::parse(text).unwrap()).collect();
    let part = |place, mib| EstimateLine { place, kind: MemoryPurpose::Weights, bytes: mib * MIB };
    let parts = vec![
        part(MemoryLocation::Card(0), 10),
        part(MemoryLocation::Card(1), 30),
        part(MemoryLocation::Card(2), 5),
        part(MemoryLocation::Host, 7),
    ];
    let estimate = Estimate { parts, ..Estimate::default() };
    let shares_of = |estimate: &Estimate, ram| shares(estimate, &required, ram);
    let shares: Vec<_> = shares_of(&estimate, Some(5)).into_iter().collect();
    let expected = [("2x v100", 30), ("cpu", 7), ("rtx 4060", 5)].map(|(text, mib)| (text.to_owned(), mib));
    assert_eq!(shares, expected);
    // Prompts that might be kept are promised as long as there is RAM for them.
    let mut kept = estimate;
    kept.parts.push(EstimateLine {
        place: MemoryLocation::Host,
        kind: MemoryPurpose::Prompts,
        bytes: 8192 * MIB,
    });
    let of_ram = |ram| shares_of(&kept, ram)["cpu"];
    assert_eq!([None, Some(16_000), Some(4000), Some(1)].map(of_ram), [8199, 8199, 3600, 7]);
    let cards = Cards::of(&required, |requirement| Some(requirement.text().len() as u64));
    assert_eq!(cards, Cards(vec![Some(7), Some(7), Some(8)]));
}

#[test]
fn a_header_that_no_model_has_is_refused() {
    let told = |header: &Header| Facts::of(header).unwrap_err().to_string();
    assert!(told(&Header::default()).contains("general.architecture"));
    assert!(told(&header("llama", &[("block_count", u64::MAX)])).contains("llama.block_count"));
}

proptest! {
    /// Whatever a header claims, the sum is a number and nothing overflows.
    #[test]
    fn no_number_of_a_header_makes_it_panic(
        key in 0_usize..14,
        number in prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()],
        layers in prop_oneof![Just(0_u64), Just(4)],
        context in prop_oneof![Just(None), Just(Some(1)), Just(Some(u64::MAX))],
        slots in prop_oneof![Just(None), Just(Some(u64::MAX))],
        total in prop_oneof![Just(None), Just(Some(0)), Just(Some(u64::MAX)), Just(Some(8000))],
    ) {
        let keys = [
            "context_length", "embedding_length", "attention.head_count", "attention.head_count_kv",
            "attention.key_length", "attention.sliding_window", "attention.sliding_window_pattern",
            "ssm.inner_size", "ssm.state_size", "expert_used_count", "wkv.head_size", "full_attention_interval",
            "attention.shared_kv_layers", "attention.key_length_mla",
        ];
        for architecture in ["llama", "gemma3", "jamba", "rwkv7", "smallthinker"] {
            let header = header(architecture, &[("block_count", layers), (keys[key], number)]);
            let flags = Llama { context, slots, ..Llama::default() };
            let estimate = llama(&loaded(&header), &flags, &Cards(vec![total, total]));
            prop_assert!(estimate.mib(MemoryLocation::Card(0)) <= u64::MAX / MIB + 1);
        }
    }
}
