//! Models that NVIDIA's driver checkpoints, with a library in place of the driver's.

use std::process::Command;

use serde_json::json;

use crate::support::{Config, Manager, Model, Variant};

use super::world::{Gpus, assert_says, holders, variant};

/// The fake library, and the folder that it reads.
struct Cuda {
    dir: tempfile::TempDir,
}

impl Cuda {
    /// `None` without a C compiler.
    fn new(flags: &[&str]) -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("cuda-").tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/fake_cuda.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-o"]);
        match cc.arg(dir.path().join("libcuda.so.1")).arg(source).args(flags).status() {
            Err(error) => {
                eprintln!("skipped: no C compiler ({error})");
                return None;
            }
            Ok(status) => assert!(status.success(), "cc: {status}"),
        }
        Some(Self { dir })
    }

    fn start(&self, config: &Config) -> Manager {
        let dir = self.dir.path().display().to_string();
        Manager::start_with(config, &[("LD_LIBRARY_PATH", &dir), ("FAKE_CUDA", &dir)])
    }

    /// What the driver refuses from now on.
    fn refuses(&self, rules: &str) {
        std::fs::write(self.dir.path().join("rules"), rules).unwrap();
    }

    /// Its calls so far, as `Lock 123`; those that only ask are left out.
    fn take_calls(&self) -> Vec<String> {
        let file = self.dir.path().join("calls");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(file);
        let calls = text
            .lines()
            .filter(|line| !line.contains("Get"))
            .filter_map(|line| line.strip_prefix("cuCheckpointProcess"));
        calls.map(str::to_owned).collect()
    }

    fn state(&self, pid: i32) -> String {
        let text = std::fs::read_to_string(self.dir.path().join(pid.to_string())).unwrap_or_default();
        text.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

const PARK: &str = "park: {with: cuda, timeout: 20}";

/// A server that uses CUDA, with so many workers that do; its device shows that it sleeps by the file `asleep-NAME`.
fn cuda(name: &str, workers: usize, only: Variant) -> Model {
    let fake = env!("CARGO_BIN_EXE_fake-model-server");
    let worker = "sleep 1000 & echo 0 > $FAKE_CUDA/$!; ".repeat(workers);
    let script = format!(
        "{worker}echo 0 {{dir}}/asleep-{name} > $FAKE_CUDA/$$; exec {fake} --name {name} --marker {{dir}} --start-file \
         {{dir}}/starts-{name}"
    );
    Model::chat(name).variant(only.command(&["sh", "-c", &script]))
}

/// One that nobody looks after the memory of.
fn alone() -> Config {
    Config::with(cuda("a", 1, Variant::new("only")).line(PARK))
}

#[track_caller]
fn cause(manager: &Manager, name: &str) -> String {
    manager.model(name)["runs"][0]["cause"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn two_take_turns_on_a_card_and_the_driver_keeps_the_one_that_waits() {
    let Some(driver) = Cuda::new(&[]) else { return };
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    let config = [("a", 2), ("b", 0)].iter().fold(gpus.config(), |config, (name, workers)| {
        let model = cuda(name, *workers, Variant::new("only").on("gpu a", 15000));
        config.model(model.line(PARK).line("parked_mb: {cpu: 100}"))
    });
    let manager = driver.start(&config);
    manager.chat("a").send().ok();
    let a = manager.starts("a")[0].0;
    manager.chat("b").send().ok();
    assert_eq!((manager.state("a"), manager.state("b")), ("parked".to_owned(), "ready".to_owned()));
    assert_eq!(driver.state(a), "2");
    // Three processes hold a context: all are locked before the first is checkpointed.
    let calls = driver.take_calls();
    let verbs: Vec<&str> = calls.iter().filter_map(|call| call.split(' ').next()).collect();
    assert_eq!(verbs, ["Lock", "Lock", "Lock", "Checkpoint", "Checkpoint", "Checkpoint"], "{calls:?}");
    assert!(holders(&manager, "cpu").contains(&("a".to_owned(), 100)));
    manager.chat("a").send().ok();
    assert_eq!((manager.state("a"), manager.state("b")), ("ready".to_owned(), "parked".to_owned()));
    let woken = driver.take_calls();
    let of_a =
        woken.iter().filter(|call| calls.iter().any(|one| one.ends_with(call.split(' ').nth(1).unwrap())));
    let verbs: Vec<&str> = of_a.filter_map(|call| call.split(' ').next()).collect();
    assert_eq!(verbs, ["Restore", "Restore", "Restore", "Unlock", "Unlock", "Unlock"], "{woken:?}");
    assert_eq!(driver.state(a), "0");
    for _ in 0..3 {
        for name in ["b", "a"] {
            manager.chat(name).send().ok();
        }
    }
    assert_eq!((manager.starts("a").len(), manager.starts("b").len()), (1, 1));
    assert_eq!((manager.starts("a")[0].0, variant(&manager, "a")), (a, "only".to_owned()));
    assert_says(&manager.log(), &["a: ready -> parking", "waking -> ready: woken in"]);
}

/// A refusal, what is said of it, and whether the processes could be put back.
const REFUSALS: [(&str, &str, bool); 9] = [
    ("cuCheckpointProcessCheckpoint 801", "can't checkpoint process", true),
    (
        "cuCheckpointProcessCheckpoint 801",
        "managed memory (UVM), or memory that several processes share (CUDA IPC",
        true,
    ),
    ("cuCheckpointProcessCheckpoint 2", "the card is divided by MIG", true),
    ("cuCheckpointProcessLock 304", "CAP_SYS_PTRACE", true),
    (
        "cuCheckpointProcessGetRestoreThreadId 800",
        "(CUDA_ERROR_NOT_PERMITTED, 800): the system doesn't let",
        true,
    ),
    ("cuCheckpointProcessLock 600", "its work on the card did not end in time", true),
    ("cuInit 100", "(cuInit: CUDA_ERROR_NO_DEVICE, 100)", true),
    ("cuCheckpointProcessCheckpoint fail", "its processes are not as they were", false),
    ("cuCheckpointProcessLock crash", "NVIDIA's driver ended the helper", false),
];

#[test]
fn whatever_the_driver_refuses_the_model_is_stopped_and_starts_again() {
    let Some(driver) = Cuda::new(&[]) else { return };
    let manager = driver.start(&alone());
    for (number, (rule, said, undone)) in REFUSALS.into_iter().enumerate() {
        driver.refuses("");
        manager.chat("a").send().ok();
        // One that succeeds: after three refusals in a row nobody tries any more.
        manager.post("/api/models/a/park").send().ok();
        manager.chat("a").send().ok();
        let before = manager.log().len();
        driver.refuses(rule);
        driver.take_calls();
        manager.post("/api/models/a/park").send().error(409, "conflict");
        manager.wait_state("a", "stopped");
        let log = manager.log().split_off(before);
        assert_says(&log, &["it can't be parked, and is stopped instead: ", said]);
        assert_eq!(log.contains("so it can't end by itself: it is killed"), !undone, "{rule}: {log}");
        let calls = driver.take_calls();
        let count = |verb: &str| calls.iter().filter(|call| call.starts_with(verb)).count();
        if undone {
            let locked = count("Lock") - usize::from(rule.contains("ProcessLock"));
            assert_eq!(count("Unlock"), locked, "{rule}: {calls:?}");
        }
        assert_eq!(manager.model("a")["failures"], json!(0), "{rule}");
        // At once: no pause follows.
        manager.chat("a").send().ok();
        assert_eq!(manager.starts("a").len(), number + 2, "{rule}");
    }
}

#[test]
fn a_call_that_hangs_is_given_up_with_its_helper() {
    let Some(driver) = Cuda::new(&[]) else { return };
    let model = cuda("a", 0, Variant::new("only"));
    let manager =
        driver.start(&Config::with(model.line("park: {with: cuda, timeout: 1}").line("alive_time: 0.004")));
    driver.refuses("cuCheckpointProcessCheckpoint hang");
    manager.chat("a").send().ok();
    manager.wait_state("a", "parking");
    manager.wait_state("a", "stopped");
    assert_says(&manager.log(), &["NVIDIA's driver: no answer within 2 s", "it is killed"]);
    driver.refuses("");
    manager.chat("a").send().ok();
    manager.wait_state("a", "parked");
    assert_eq!(manager.starts("a").len(), 2);
}

#[test]
fn one_that_cannot_be_restored_is_replaced_for_those_who_wait() {
    let Some(driver) = Cuda::new(&[]) else { return };
    let manager = driver.start(&alone());
    for (number, rule) in ["cuCheckpointProcessRestore 2", "cuCheckpointProcessUnlock 304"].iter().enumerate()
    {
        driver.refuses(rule);
        manager.chat("a").send().ok();
        manager.post("/api/models/a/park").send().ok();
        manager.chat("a").send().ok();
        assert_eq!(manager.starts("a").len(), number + 2);
        assert_eq!(
            (cause(&manager, "a"), &manager.model("a")["failures"]),
            ("park_lost".to_owned(), &json!(0))
        );
    }
    assert_says(
        &manager.log(),
        &[
            "can't be woken; a fresh one is started",
            "has not enough free memory for it any more",
            "it is killed",
        ],
    );
}

#[test]
fn a_stopped_manager_leaves_nothing_that_the_driver_holds() {
    let Some(driver) = Cuda::new(&[]) else { return };
    let mut manager = driver.start(&alone());
    manager.chat("a").send().ok();
    manager.post("/api/models/a/park").send().ok();
    manager.stop();
    manager.wait_no_processes();
}

/// The sentence why the model was not parked.
#[track_caller]
fn refused(manager: &Manager) -> String {
    manager.chat("a").send().ok();
    manager.post("/api/models/a/park").send().error(409, "conflict");
    manager.wait_state("a", "stopped");
    manager.chat("a").send().ok();
    assert_eq!(manager.model("a")["failures"], json!(0));
    let log = manager.log();
    log.lines().find(|line| line.contains("can't be parked")).unwrap_or_default().to_owned()
}

#[test]
fn without_a_driver_or_with_an_old_one_or_without_cuda_it_is_stopped() {
    let Some(old) = Cuda::new(&["-DOLD_DRIVER"]) else { return };
    let manager = old.start(&alone());
    let said = refused(&manager);
    assert_says(
        &said,
        &["NVIDIA's driver has no cuCheckpointProcessGetRestoreThreadId (it is for CUDA 12.4); driver 570"],
    );
    let text = "Local-Models:\n  a:\n    park: {with: cuda}\n    Default: {command: [x]}\n";
    let (code, checked) = manager.check(text);
    assert_eq!(code, Some(0), "{checked}");
    assert_says(
        &checked,
        &[
            "Local-Models.a.Default.park: with `cuda` it will be stopped instead of parked: NVIDIA's driver has no",
        ],
    );
    drop(manager);

    std::fs::write(old.dir.path().join("libcuda.so.1"), "not a library").unwrap();
    let manager = old.start(&alone());
    assert_says(
        &refused(&manager),
        &["the library of NVIDIA's driver can't be opened (", "install driver 570 or newer"],
    );
    drop(manager);

    let Some(driver) = Cuda::new(&[]) else { return };
    let manager = driver.start(&Config::with(Model::chat("a").line("park: {with: cuda}")));
    assert_says(
        &refused(&manager),
        &["none of its processes (", ") uses CUDA; does the server run in a container"],
    );
}

#[test]
fn check_says_what_the_driver_refuses() {
    let Some(driver) = Cuda::new(&[]) else { return };
    let manager = driver.start(&Config::new());
    let check = |lines: &str| {
        let text = format!(
            "Local-Models:\n  a:\n    park: {{with: cuda, busy: {{path: /busy}}}}\n    Default:\n{lines}"
        );
        let (code, said) = manager.check(&text);
        assert_eq!(code, Some(0), "{said}");
        said
    };
    let good = check("      command: [llama-server, -m, x.gguf]\n");
    assert!(!good.contains("cuda"), "{good}");
    let said = check(
        "      command: [docker run, vllm, --tensor-parallel-size, '2']\n      env: {GGML_CUDA_ENABLE_UNIFIED_MEMORY: '1'}\n",
    );
    assert_says(
        &said,
        &["has docker run: ", "has --tensor-parallel-size: ", "has GGML_CUDA_ENABLE_UNIFIED_MEMORY: "],
    );
    let wrong =
        "Local-Models:\n  a:\n    park: {with: cuda, sleep_command: [x]}\n    Default: {command: [x]}\n";
    let (code, said) = manager.check(wrong);
    assert_eq!(code, Some(2), "{said}");
    assert_says(&said, &["has no effect with `cuda`"]);
}
