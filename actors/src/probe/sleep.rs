//! Sends a backend to sleep and wakes it, as its `park` says, and looks whether it has.

use super::connection::ProbeConnection;
use super::excerpt;
use llm_manager_policy::checkpoint;
use llm_manager_policy::parking::{
    ParkAct, ParkRequest, ParkSpec, ParkWay, ParkedCheck, Read, SIGN_TIMEOUT, UNDO_TIMEOUT, sum_of_gauges,
};
use llm_manager_policy::readiness::ProbeQuestion;
use llm_manager_process::{BackendAddress, PipedProgram, feed, run_self};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What would hide cards from the driver's helper, which has none of its own to choose.
const HIDE_CARDS: [&str; 1] = ["CUDA_VISIBLE_DEVICES"];
/// Between two looks whether it sleeps.
const PAUSE: Duration = Duration::from_millis(10);

/// A backend that can sleep.
pub struct Sleeper {
    /// Where it listens.
    pub endpoint: Arc<BackendAddress>,
    /// Its model's name.
    pub model: String,
    /// Of its first process.
    pub pid: Option<u32>,
    /// With `cuda`: of all its processes; to wake it, of those that the driver has checkpointed.
    pub members: Vec<u32>,
    /// Where commands run.
    pub folder: PathBuf,
    /// What its requests need, such as its own key.
    pub headers: Vec<(String, String)>,
    /// How it is done.
    pub spec: ParkSpec,
}

/// Why a backend has not fallen asleep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awake {
    /// It has work that the manager didn't know of.
    Busy(String),
    /// It can't, or nobody can tell.
    Failed(String),
    /// The driver holds some of its processes fast.
    Frozen(String),
}

impl Sleeper {
    /// Sends it to sleep, if it has nothing to do; answers the processes that the driver has checkpointed.
    pub async fn park(&self) -> Result<Vec<u32>, Awake> {
        let mut line = ProbeConnection::new(Arc::clone(&self.endpoint));
        if let Some(sign) = &self.spec.busy
            && let Ok(Some(true)) = self.look(&mut line, sign).await
        {
            return Err(Awake::Busy(format!("GET {} says that it has work", sign.path)));
        }
        if let ParkAct::Checkpoint { timeout } = self.spec.sleep {
            return self.checkpoint(checkpoint::PARK, timeout).await;
        }
        self.act(&mut line, &self.spec.sleep).await.map_err(Awake::Failed)?;
        self.until(&mut line, true).await.map_err(Awake::Failed)?;
        Ok(Vec::new())
    }

    /// Wakes it.
    pub async fn wake(&self) -> Result<(), String> {
        let mut line = ProbeConnection::new(Arc::clone(&self.endpoint));
        self.act(&mut line, &self.spec.wake).await?;
        self.until(&mut line, false).await
    }

    async fn act(&self, line: &mut ProbeConnection, act: &ParkAct) -> Result<(), String> {
        match act {
            ParkAct::Requests(requests) => {
                for request in requests {
                    self.send(line, request).await?;
                }
                Ok(())
            }
            ParkAct::Command { words, timeout } => {
                let words: Vec<String> = words.iter().map(|word| self.filled_in(word)).collect();
                let called = words.join(" ");
                let folder = &self.folder;
                let (env, hidden, input) = (&[], &[], &[]);
                let order = PipedProgram {
                    words: &words,
                    called: &called,
                    folder,
                    env,
                    hidden,
                    input,
                    limit: *timeout,
                };
                feed(order).await
            }
            ParkAct::Checkpoint { timeout } => {
                let woken = self.checkpoint(checkpoint::WAKE, *timeout).await;
                woken.map(drop).map_err(|(Awake::Busy(why) | Awake::Failed(why) | Awake::Frozen(why))| why)
            }
        }
    }

    /// Has a helper call the driver: a call may hang, and a helper can be killed.
    async fn checkpoint(&self, order: &str, limit: Duration) -> Result<Vec<u32>, Awake> {
        if self.members.is_empty() {
            return Err(Awake::Failed("none of its processes is known".to_owned()));
        }
        let pids = self.members.iter().map(u32::to_string);
        let words: Vec<String> = ["checkpoint".to_owned(), order.to_owned(), limit.as_millis().to_string()]
            .into_iter()
            .chain(pids)
            .collect();
        let helped = run_self(&words, &HIDE_CARDS, limit.saturating_add(UNDO_TIMEOUT.min(limit))).await;
        let helped = helped.map_err(|why| Awake::Frozen(format!("NVIDIA's driver: {why}")))?;
        let unfinished = i32::from(checkpoint::UNFINISHED);
        match helped.code {
            Some(0) => Ok(helped.answer.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()),
            Some(code) if code != unfinished && !helped.trouble.is_empty() => {
                Err(Awake::Failed(helped.trouble))
            }
            Some(code) if code == unfinished => Err(Awake::Frozen(helped.trouble)),
            _ => Err(Awake::Frozen("NVIDIA's driver ended the helper that called it".to_owned())),
        }
    }

    /// Whether its processes can't end by themselves while it sleeps.
    pub fn freezes(&self) -> bool {
        self.spec.way == ParkWay::Cuda
    }

    fn filled_in(&self, word: &str) -> String {
        let pid = self.pid.map_or_else(String::new, |pid| pid.to_string());
        let port =
            self.endpoint.local_address().map_or_else(String::new, |address| address.port().to_string());
        word.replace("{pid}", &pid).replace("{port}", &port).replace("{model}", &self.model)
    }

    async fn send(&self, line: &mut ProbeConnection, request: &ParkRequest) -> Result<(), String> {
        let ParkRequest { method, path, body, timeout } = request;
        let question = self.question(method, path, body.clone());
        let (status, text) = line.ask_within(&question, *timeout).await?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        let hint = if status == 404 { "; does the engine have what `park` needs?" } else { "" };
        Err(format!("{method} {path}: status {status}: {}{hint}", excerpt(&text)))
    }

    fn question(&self, method: &str, path: &str, body: Option<String>) -> ProbeQuestion {
        ProbeQuestion {
            method: method.to_owned(),
            path: path.to_owned(),
            body,
            name: self.model.clone(),
            headers: self.headers.clone(),
        }
    }

    /// Looks until it says what it should: some engines answer before they are done.
    async fn until(&self, line: &mut ProbeConnection, asleep: bool) -> Result<(), String> {
        let Some(sign) = &self.spec.parked else { return Ok(()) };
        let began = Instant::now();
        loop {
            let said = self.look(line, sign).await;
            if said == Ok(Some(asleep)) {
                return Ok(());
            }
            if began.elapsed() >= SIGN_TIMEOUT {
                let word = if asleep { "asleep" } else { "awake" };
                let why = match said {
                    Err(why) => why,
                    Ok(None) => "its answer doesn't say it".to_owned(),
                    Ok(Some(_)) => "it says the contrary".to_owned(),
                };
                let seconds = SIGN_TIMEOUT.as_secs();
                return Err(format!("GET {}: not {word} after {seconds} s: {why}", sign.path));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What the sign says; `None`: nothing.
    async fn look(&self, line: &mut ProbeConnection, sign: &ParkedCheck) -> Result<Option<bool>, String> {
        let question = self.question("GET", &sign.path, None);
        let (status, body) = line.ask_within(&question, SIGN_TIMEOUT).await?;
        let is_good = (200..300).contains(&status);
        Ok(match &sign.read {
            Read::Status => Some(is_good),
            _ if !is_good => None,
            Read::Pointer(pointer) => at_pointer(&body, pointer),
            Read::Gauges(names) => sum_of_gauges(&String::from_utf8_lossy(&body), names).map(|sum| sum > 0.0),
        })
    }
}

fn at_pointer(body: &[u8], pointer: &str) -> Option<bool> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let value = answer.pointer(pointer)?;
    value.as_bool().or_else(|| value.as_f64().map(|number| number > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_a_truth_value_or_a_number() {
        let says = |body: &str, pointer| at_pointer(body.as_bytes(), pointer);
        assert_eq!(says(r#"{"is_sleeping":true}"#, "/is_sleeping"), Some(true));
        assert_eq!(says(r#"{"is_sleeping":false}"#, "/is_sleeping"), Some(false));
        assert_eq!(says(r#"{"load":{"running":2}}"#, "/load/running"), Some(true));
        assert_eq!(says(r#"{"load":{"running":0}}"#, "/load/running"), Some(false));
        assert_eq!(says(r#"{"load":"much"}"#, "/load"), None);
        assert_eq!(says("ok", ""), None);
    }
}
