//! Parking: how a backend gives its memory up and lives on, and what its answers say about that.
//!
//! The requests of the engines that have some are here, so that a user writes one word. All else is `http`, or a command.

use std::time::Duration;

/// `park` of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkSpec {
    /// By which of the ways.
    pub way: ParkWay,
    /// What sends it to sleep.
    pub sleep: ParkAct,
    /// What wakes it.
    pub wake: ParkAct,
    /// Where it says whether it sleeps.
    pub parked: Option<ParkedCheck>,
    /// Where it says that it has work.
    pub busy: Option<ParkedCheck>,
}

/// `park.with`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkWay {
    /// vLLM's sleep mode.
    Vllm,
    /// SGLang's memory saver.
    Sglang,
    /// The NVIDIA driver's checkpoint of its processes, see [`crate::checkpoint`].
    Cuda,
    /// Requests that the user names.
    Http,
    /// Commands that the user names.
    Command,
}

/// What is done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum ParkAct {
    /// Requests; each must be answered with 2xx.
    Requests(Vec<ParkRequest>),
    /// Program and arguments; `{port}`, `{model}` and `{pid}` are filled in, and the exit code must be 0.
    Command {
        words: Vec<String>,
        /// The longest that it may take.
        timeout: Duration,
    },
    /// The driver checkpoints or restores its processes.
    Checkpoint {
        /// For all of them together.
        timeout: Duration,
    },
}

/// One request to the backend.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkRequest {
    /// `POST`, mostly.
    pub method: String,
    /// With its query.
    pub path: String,
    /// JSON.
    pub body: Option<String>,
    /// The longest wait for its answer.
    pub timeout: Duration,
}

/// A GET whose answer says yes or no.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedCheck {
    /// Where.
    pub path: String,
    /// What in the answer says it.
    pub read: Read,
}

/// What says yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A 2xx status.
    Status,
    /// `true`, or a number above 0, at this JSON pointer.
    Pointer(String),
    /// A sum above 0 of these Prometheus gauges.
    Gauges(&'static [&'static str]),
}

/// How long one request or command may take, unless the user says otherwise. Weights of 100 GB cross the bus meanwhile.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// ... and how long the backend may take to say that it sleeps, or doesn't any more.
pub const SIGN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the driver may take beyond that to put back what it has begun.
pub const UNDO_TIMEOUT: Duration = Duration::from_secs(10);
/// The part of a reload that a wake is taken for until one was measured.
const GUESS: u32 = 10;

/// How long a wake will take: as measured, or a tenth of the start.
pub fn expected_wake(measured: Option<Duration>, reload: Duration) -> Duration {
    measured.unwrap_or(reload / GUESS)
}

impl ParkWay {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Vllm, Self::Sglang, Self::Cuda, Self::Http, Self::Command];

    /// The word for it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Cuda => "cuda",
            Self::Http => "http",
            Self::Command => "command",
        }
    }

    /// The way of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.text().eq_ignore_ascii_case(word))
    }

    /// Words of its command line without which the engine doesn't do it, and what happens then.
    pub const fn flags(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Vllm => &[("--enable-sleep-mode", "without it vLLM keeps its memory")],
            Self::Sglang => &[
                ("--enable-memory-saver", "without it SGLang keeps its memory"),
                (
                    "--enable-weights-cpu-backup",
                    "without it SGLang drops the weights, and answers with nonsense once it is woken",
                ),
            ],
            Self::Cuda | Self::Http | Self::Command => &[],
        }
    }

    /// Words of its command line or environment with which it is refused, and why.
    pub const fn obstacles(self) -> &'static [(&'static str, &'static str)] {
        const CONTAINER: &str = "the driver is asked about the processes of this machine, and those of a container are not among them";
        match self {
            Self::Cuda => &[
                ("GGML_CUDA_ENABLE_UNIFIED_MEMORY", "the driver can't checkpoint managed memory (UVM)"),
                (
                    "--tensor-parallel-size",
                    "its processes share memory on the cards (CUDA IPC), which the driver can't checkpoint before 610",
                ),
                ("docker run", CONTAINER),
                ("podman run", CONTAINER),
            ],
            Self::Vllm | Self::Sglang | Self::Http | Self::Command => &[],
        }
    }

    /// A variable that its environment needs.
    pub const fn variable(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Vllm => Some(("VLLM_SERVER_DEV_MODE", "1")),
            Self::Sglang | Self::Cuda | Self::Http | Self::Command => None,
        }
    }
}

impl ParkSpec {
    /// The requests of an engine that is known by name; `None`: the user has to say them.
    pub fn of_engine(way: ParkWay, timeout: Duration) -> Option<Self> {
        let post = |path: &str, body: Option<&str>| {
            let (method, path) = ("POST".to_owned(), path.to_owned());
            ParkAct::Requests(vec![ParkRequest { method, path, body: body.map(str::to_owned), timeout }])
        };
        let sign = |path: &str, read| Some(ParkedCheck { path: path.to_owned(), read });
        match way {
            // Level 1 keeps the weights in RAM. Level 2 drops them: a wake alone would bring back an empty model.
            ParkWay::Vllm => Some(Self {
                way,
                sleep: post("/sleep?level=1", None),
                wake: post("/wake_up", None),
                parked: sign("/is_sleeping", Read::Pointer("/is_sleeping".to_owned())),
                busy: sign(
                    "/metrics",
                    Read::Gauges(&["vllm:num_requests_running", "vllm:num_requests_waiting"]),
                ),
            }),
            ParkWay::Sglang => Some(Self {
                way,
                sleep: post("/release_memory_occupation", Some("{}")),
                wake: post("/resume_memory_occupation", Some("{}")),
                parked: None,
                busy: sign("/metrics", Read::Gauges(&["sglang:num_running_reqs", "sglang:num_queue_reqs"])),
            }),
            ParkWay::Cuda => Some(Self {
                way,
                sleep: ParkAct::Checkpoint { timeout },
                wake: ParkAct::Checkpoint { timeout },
                parked: None,
                busy: None,
            }),
            ParkWay::Http | ParkWay::Command => None,
        }
    }

    /// The longest that it may take to fall asleep.
    pub fn sleep_limit(&self) -> Duration {
        self.signs().saturating_add(self.sleep.limit())
    }

    /// The longest that it may take to wake.
    pub fn wake_limit(&self) -> Duration {
        self.signs().saturating_add(self.wake.limit())
    }

    fn signs(&self) -> Duration {
        SIGN_TIMEOUT * 2
    }
}

impl ParkAct {
    fn limit(&self) -> Duration {
        match self {
            Self::Requests(requests) => requests.iter().map(|request| request.timeout).sum(),
            Self::Command { timeout, .. } | Self::Checkpoint { timeout } => *timeout,
        }
    }
}

/// The sum of these gauges in a text of Prometheus; `None`: none of them is there.
pub fn sum_of_gauges(text: &str, names: &[&str]) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let name = line.split(['{', ' ']).next()?;
        if !names.contains(&name) {
            return None;
        }
        // Labels may have spaces in them; a time may follow the value, which no engine sends.
        let rest = line.rsplit_once('}').map_or_else(|| line.get(name.len()..), |(_, rest)| Some(rest))?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    });
    samples.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_summed_over_their_labels() {
        let text = "# TYPE vllm:num_requests_running gauge\n\
                    vllm:num_requests_running{engine=\"0\",model_name=\"a b\"} 1.0\n\
                    vllm:num_requests_running{engine=\"1\"} 2\n\
                    vllm:num_requests_running_total 9\n\
                    vllm:num_requests_waiting 0.0\n";
        let names = ["vllm:num_requests_running", "vllm:num_requests_waiting"];
        assert_eq!(sum_of_gauges(text, &names), Some(3.0));
        assert_eq!(sum_of_gauges("up 1\n", &names), None);
    }

    #[test]
    fn an_engine_has_all_that_it_takes() {
        for way in ParkWay::ALL {
            assert_eq!(ParkWay::of(way.text()), Some(way));
            let spec = ParkSpec::of_engine(way, STEP_TIMEOUT);
            assert_eq!(spec.is_none(), matches!(way, ParkWay::Http | ParkWay::Command));
        }
        let vllm = ParkSpec::of_engine(ParkWay::Vllm, Duration::from_secs(5)).unwrap();
        assert_eq!(vllm.sleep_limit(), Duration::from_secs(25));
        assert_eq!(vllm.wake_limit(), Duration::from_secs(25));
        // The driver is given up before the Model gives up.
        let cuda = ParkSpec::of_engine(ParkWay::Cuda, Duration::from_secs(5)).unwrap();
        assert!(cuda.sleep_limit() > Duration::from_secs(5) + UNDO_TIMEOUT);
    }

    #[test]
    fn what_an_engine_needs_and_what_it_refuses() {
        let words = |pairs: &'static [(&str, &str)]| pairs.iter().map(|pair| pair.0).collect::<Vec<_>>();
        let needs: Vec<_> = ParkWay::ALL.into_iter().map(|way| words(way.flags())).collect();
        let sglang = vec!["--enable-memory-saver", "--enable-weights-cpu-backup"];
        assert_eq!(needs, [vec!["--enable-sleep-mode"], sglang, vec![], vec![], vec![]]);
        let refuses: Vec<_> = ParkWay::ALL.into_iter().map(|way| words(way.obstacles())).collect();
        let cuda =
            vec!["GGML_CUDA_ENABLE_UNIFIED_MEMORY", "--tensor-parallel-size", "docker run", "podman run"];
        assert_eq!(refuses, [vec![], vec![], cuda, vec![], vec![]]);
        let variables: Vec<_> = ParkWay::ALL.into_iter().filter_map(ParkWay::variable).collect();
        assert_eq!(variables, [("VLLM_SERVER_DEV_MODE", "1")]);
    }

    #[test]
    fn a_wake_is_a_tenth_of_a_start_until_it_was_measured() {
        let reload = Duration::from_secs(50);
        assert_eq!(expected_wake(None, reload), Duration::from_secs(5));
        assert_eq!(expected_wake(Some(Duration::from_secs(60)), reload), Duration::from_secs(60));
    }
}
