//! Readiness: what to ask a backend that starts, and what its answers mean.
//!
//! First a cheap question (the *gate*), then one tiny real request (the *trial*), which tells what the gate can't:
//! that the backend computes, and by which name it knows the model. `Readiness::next` says what to ask,
//! `Readiness::hear` takes the answer. What a start has shown is `PastStarts` for the next one of the same variant: where
//! the gate has spoken the truth, the trial is left out, because the client's own request tells the same.

mod names;
mod news;
mod remote;

pub use names::{ListedModel, Listing, ModelNames};
pub use news::pause_after;
pub use remote::{RemoteProbe, RemoteReadiness};

use crate::spec::{ModeSpec, ProbeSpec, VariantSpec};
use names::{NameCandidate, says_wrong_name};
use std::time::Duration;

/// Between two questions while nobody listens, or the backend says that it isn't ready: this part of the time that it
/// has taken so far, within these bounds. So a start of 50 ms isn't drawn out by the pace of one of five minutes.
const PACE_PART: u32 = 32;
const SHORTEST_PACE: Duration = Duration::from_millis(2);
const LONGEST_PACE: Duration = Duration::from_millis(20);
/// An answer that took long is waited for so many times as long, up to a limit: the backend has other work to do. But no longer than
/// this part of the time that it has taken so far: a start of 20 ms isn't drawn out by an answer of 2.
const COURTESY: u32 = 4;
const COURTESY_PART: u32 = 8;
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Between two questions that were refused: each is a line in the backend's log.
const REFUSED_PACE: Duration = Duration::from_millis(250);
/// A backend that has answered well refuses something else for good: so long it may still change its mind.
const KNOWN_PATIENCE: Duration = Duration::from_secs(3);
/// One that has refused everything so far: some servers open their port before they know their paths.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(5);
/// Names of a list that are shown in a remark.
const SHOWN: usize = 4;
/// A trial that takes longer has waited for the model to load, so the gate has not told the truth.
const PROMPT: Duration = Duration::from_secs(1);

/// A question to ask now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeQuestion {
    /// `GET` or `POST`.
    pub method: String,
    /// Where.
    pub path: String,
    /// With the name for `{model}` still to be filled in.
    pub body: Option<String>,
    /// That name.
    pub name: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

/// What a question brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// Nothing yet: nobody listens, or the answer broke off.
    Nothing,
    Answer {
        status: u16,
        /// The beginning of its body.
        text: String,
        /// The models that it lists, if it is a list.
        listing: Option<Listing>,
        /// How long it took.
        took: Duration,
    },
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeStep {
    /// Ask the next question, after this time or as soon as something has happened; why it isn't ready yet.
    Wait(Duration, Option<String>),
    /// Ask the next question at once.
    AskOn,
    /// It serves.
    Ready(BackendInfo),
    /// It never will.
    Never(ReadinessError),
}

/// What is known of a backend that serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendInfo {
    /// The name under which requests must be sent on; `None`: it takes the names of the configuration.
    pub served_name: Option<String>,
    /// Tokens of context, where its list of models says so.
    pub context: Option<u64>,
    /// Who wrote its list of models, where that says so.
    pub owner: Option<String>,
    /// The trial was refused for a reason of its own: status and text. It serves, and an operator may want to know.
    pub trial_refused: Option<(u16, String)>,
    /// For the next start of the same variant.
    pub lessons: PastStarts,
    /// Another manager answers, which can say what its model does.
    pub manager: bool,
}

/// What former starts of a variant have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastStarts {
    /// Which of the gate's paths tells the truth about loading.
    gate: usize,
    /// That gate was right, and the name is known: no trial is needed.
    trusted: Option<Trust>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trust {
    served_name: Option<String>,
    /// The list of that start: with another one, the name is found out anew.
    listing: Option<Listing>,
}

/// Why a backend will never be ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadinessError {
    /// What it refuses.
    pub what: RefusedThing,
    /// Such as `POST /v1/embeddings`.
    pub question: String,
    pub status: u16,
    /// The beginning of its answer.
    pub text: String,
    /// Names that it lists.
    pub listed: Vec<String>,
}

/// What a backend refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedThing {
    /// It wants a key.
    Key,
    /// It doesn't know this path.
    Path,
    /// It doesn't know the model by any of these names.
    Name(Vec<String>),
    /// Something else, for good.
    Request,
}

/// The questions of one start.
#[derive(Clone, Debug)]
pub struct Readiness {
    probes: Vec<ProbeSpec>,
    names: ModelNames,
    lessons: PastStarts,
    at: At,
    candidates: Vec<NameCandidate>,
    candidate: usize,
    listing: Option<Listing>,
    /// Names that were refused in this round.
    refused_names: Vec<String>,
    /// Since when which of the probes has been refused.
    refused_since: Option<(usize, Duration)>,
    /// A question has been answered with a 2xx status.
    heard_well: bool,
    /// The trial has been asked, and its first answer was not that it loads.
    trial_prompt: Option<bool>,
    /// Accepted in a trial; an alias is being tried out of curiosity.
    accepted: Option<NameCandidate>,
}

/// Which question is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    probe: usize,
    path: usize,
}

impl Readiness {
    /// `probes` in order, their paths as the backend has them; `lessons` of the last start.
    pub fn new(probes: Vec<ProbeSpec>, names: ModelNames, lessons: PastStarts) -> Self {
        let mut readiness = Self {
            probes,
            names,
            lessons,
            at: At { probe: 0, path: 0 },
            candidates: Vec::new(),
            candidate: 0,
            listing: None,
            refused_names: Vec::new(),
            refused_since: None,
            heard_well: false,
            trial_prompt: None,
            accepted: None,
        };
        readiness.candidates = readiness.names.candidates(None);
        readiness
    }

    /// What to ask.
    pub fn next(&self) -> Option<ProbeQuestion> {
        let probe = self.probes.get(self.at.probe)?;
        Some(ProbeQuestion {
            method: probe.method.clone(),
            path: probe.paths.get(self.at.path)?.clone(),
            body: probe.body.clone(),
            name: self.candidate().name.clone(),
            headers: probe.headers.clone(),
        })
    }

    /// Takes the answer to that question.
    pub fn hear(&mut self, heard: ProbeAnswer, now: Duration) -> ProbeStep {
        if self.accepted.is_some() {
            return self.satisfied(&heard);
        }
        let ProbeAnswer::Answer { status, text, listing, took } = heard else {
            self.refused_since = None;
            return ProbeStep::Wait(pace(now), None);
        };
        match status {
            200..=299 => self.yes(listing, took),
            // Loading, or busy. Not every server says 503 for that; 501 is for good: it lacks the function.
            429 | 500 | 502..=599 => self.not_yet(status, &text, pause(took, now)),
            401 | 403 => self.refuse(RefusedThing::Key, status, text, took, now),
            _ if self.is_trial()
                && (says_wrong_name(status, &text, &self.candidate().name) || self.is_unlisted(status)) =>
            {
                self.wrong_name(status, text, took, now)
            }
            404 | 405 => self.unknown_path(status, text, took, now),
            // It has read the request and answers: it serves. What it dislikes about ours is no question of time.
            400..=499 if self.is_second() => {
                let mut found = self.found();
                found.lessons.trusted = None;
                found.trial_refused = Some((status, text));
                ProbeStep::Ready(found)
            }
            _ => self.refuse(RefusedThing::Request, status, text, took, now),
        }
    }

    /// It serves; whether it took the alias, too, says if it takes any name.
    fn satisfied(&mut self, heard: &ProbeAnswer) -> ProbeStep {
        if matches!(heard, ProbeAnswer::Answer { status: 200..=299, .. }) {
            self.accepted = Some(self.names.own());
        }
        ProbeStep::Ready(self.found())
    }

    fn yes(&mut self, listing: Option<Listing>, took: Duration) -> ProbeStep {
        self.heard_well = true;
        if self.is_trial() {
            return self.accepted(took);
        }
        if let Some(listing) = listing {
            self.candidates = self.names.candidates(Some(&listing));
            self.candidate = 0;
            self.listing = Some(listing);
        }
        let is_gate = self.at.probe == 0 && self.probes.len() > 1;
        if is_gate && self.at.path < self.lessons.gate {
            // The list is known; that it is ready is told by another path.
            self.at.path = self.lessons.gate;
            return ProbeStep::AskOn;
        }
        if is_gate
            && let Some(trust) = &self.lessons.trusted
            && trust.listing == self.listing
        {
            let served_name = trust.served_name.clone();
            let context = self.context(served_name.as_deref());
            let lessons = self.lessons.clone();
            return ProbeStep::Ready(BackendInfo {
                served_name,
                context,
                owner: self.owner(),
                lessons,
                ..BackendInfo::default()
            });
        }
        if self.at.probe + 1 < self.probes.len() {
            self.at = At { probe: self.at.probe + 1, path: 0 };
            return ProbeStep::AskOn;
        }
        ProbeStep::Ready(self.found())
    }

    /// The trial has succeeded.
    fn accepted(&mut self, took: Duration) -> ProbeStep {
        self.trial_prompt.get_or_insert(took <= PROMPT);
        let accepted = self.candidate().clone();
        if let Some(alias) = self.names.curious(&accepted, self.listing.as_ref()) {
            self.accepted = Some(accepted);
            self.candidates = vec![alias];
            self.candidate = 0;
            return ProbeStep::AskOn;
        }
        ProbeStep::Ready(self.found())
    }

    fn found(&self) -> BackendInfo {
        let candidate = self.accepted.as_ref().or_else(|| self.untried()).unwrap_or_else(|| self.candidate());
        let served_name = candidate.forced.then(|| candidate.name.clone());
        let prompt = self.trial_prompt == Some(true);
        let trust = Trust { served_name: served_name.clone(), listing: self.listing.clone() };
        let lessons = PastStarts { gate: self.lessons.gate, trusted: prompt.then_some(trust) };
        let context = self.context(served_name.as_deref());
        BackendInfo { served_name, context, owner: self.owner(), lessons, ..BackendInfo::default() }
    }

    /// Where no question names the model, the list is all that tells: the only one in it is the one.
    fn untried(&self) -> Option<&NameCandidate> {
        let asks = self.probes.iter().any(|probe| probe.body.is_some());
        let [only] = &self.listing.as_ref().filter(|_| !asks)?.models[..] else { return None };
        self.candidates.iter().find(|candidate| candidate.name == only.name)
    }

    fn owner(&self) -> Option<String> {
        self.listing.as_ref().and_then(|listing| listing.owner.clone())
    }

    fn context(&self, served_name: Option<&str>) -> Option<u64> {
        let name = served_name.unwrap_or(&self.names.fallback().name);
        self.listing.as_ref().and_then(|listing| listing.context(name))
    }

    /// What may keep a trial from its answer, if anything is known: some engines that don't have a model of that name fail,
    /// or are silent, for as long as they look for one.
    pub fn remark(&self) -> Option<String> {
        let name = &self.candidate().name;
        let listing =
            self.listing.as_ref().filter(|listing| self.is_trial() && listing.lists_others_than(name))?;
        let names: Vec<_> =
            listing.models.iter().take(SHOWN).map(|model| format!("`{}`", model.name)).collect();
        let more = listing.models.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!("; it lists {}{more}, not `{name}`: perhaps `served_name` is missing", names.join(", ")))
    }

    fn not_yet(&mut self, status: u16, text: &str, pause: Duration) -> ProbeStep {
        self.refused_since = None;
        let why = format!("status {status}: {text}{}", self.remark().unwrap_or_default());
        if self.is_second() {
            self.trial_prompt = Some(false);
            // The gate said yes too early; another of its paths may know better, and costs less than the trial.
            let paths = self.probes.first().map_or(0, |gate| gate.paths.len());
            if self.at.probe == 1 && self.heard_well && self.lessons.gate + 1 < paths {
                self.lessons = PastStarts { gate: self.lessons.gate + 1, trusted: None };
                self.at = At { probe: 0, path: self.lessons.gate };
                self.trial_prompt = None;
                return ProbeStep::AskOn;
            }
        }
        ProbeStep::Wait(pause, Some(why))
    }

    fn wrong_name(&mut self, status: u16, text: String, took: Duration, now: Duration) -> ProbeStep {
        let name = self.candidate().name.clone();
        if !self.refused_names.contains(&name) {
            self.refused_names.push(name);
        }
        if self.candidate + 1 < self.candidates.len() {
            self.candidate += 1;
            return ProbeStep::AskOn;
        }
        let names = self.refused_names.clone();
        let next = self.refuse(RefusedThing::Name(names), status, text, took, now);
        // From the start: the list may have grown meanwhile.
        self.at = At { probe: 0, path: 0 };
        self.candidate = 0;
        next
    }

    fn unknown_path(&mut self, status: u16, text: String, took: Duration, now: Duration) -> ProbeStep {
        let paths = self.probes.get(self.at.probe).map_or(0, |probe| probe.paths.len());
        if self.at.path + 1 < paths {
            self.at.path += 1;
            return ProbeStep::AskOn;
        }
        if self.at.probe + 1 < self.probes.len() {
            // It has none of the gate's paths: only the trial tells.
            self.at = At { probe: self.at.probe + 1, path: 0 };
            return ProbeStep::AskOn;
        }
        let next = self.refuse(RefusedThing::Path, status, text, took, now);
        self.at = At { probe: 0, path: 0 };
        next
    }

    fn refuse(
        &mut self,
        what: RefusedThing,
        status: u16,
        text: String,
        took: Duration,
        now: Duration,
    ) -> ProbeStep {
        let since = match self.refused_since {
            Some((probe, since)) if probe == self.at.probe => since,
            _ => now,
        };
        self.refused_since = Some((self.at.probe, since));
        let patience = if self.heard_well { KNOWN_PATIENCE } else { UNKNOWN_PATIENCE };
        if now.saturating_sub(since) < patience {
            return ProbeStep::Wait(
                pause(took, now).max(REFUSED_PACE),
                Some(format!("status {status}: {text}")),
            );
        }
        let question =
            self.next().map_or_else(String::new, |asked| format!("{} {}", asked.method, asked.path));
        let listed = self.listing.as_ref().map_or_else(Vec::new, Listing::names);
        ProbeStep::Never(ReadinessError { what, question, status, text, listed })
    }

    fn is_second(&self) -> bool {
        self.at.probe > 0
    }

    /// Whether the present question names the model.
    fn is_trial(&self) -> bool {
        self.probes.get(self.at.probe).is_some_and(|probe| probe.body.is_some())
    }

    /// Whatever it says, a name that isn't in its list may be what it dislikes.
    fn is_unlisted(&self, status: u16) -> bool {
        let lists_others = |listing: &Listing| listing.lists_others_than(&self.candidate().name);
        matches!(status, 400 | 422) && self.listing.as_ref().is_some_and(lists_others)
    }

    fn candidate(&self) -> &NameCandidate {
        self.candidates.get(self.candidate).unwrap_or_else(|| self.names.fallback())
    }
}

/// The questions to a variant of a model, their paths as its backend has them.
pub fn probes(mode: &ModeSpec, variant: &VariantSpec) -> Vec<ProbeSpec> {
    match &variant.probe {
        Some(own) if !own.paths.is_empty() => vec![own.clone()],
        own => {
            let headers = own.as_ref().map_or_else(Vec::new, |own| own.headers.clone());
            let routes = &variant.routes;
            let adapted = |probe: &ProbeSpec| ProbeSpec {
                paths: probe.paths.iter().map(|path| routes.of(path).into_owned()).collect(),
                headers: [probe.headers.clone(), headers.clone()].concat(),
                ..probe.clone()
            };
            mode.probes.iter().map(adapted).collect()
        }
    }
}

/// The pause while nobody answers.
fn pace(now: Duration) -> Duration {
    (now / PACE_PART).clamp(SHORTEST_PACE, LONGEST_PACE)
}

/// The pause after an answer: the shortest that costs the backend little.
fn pause(took: Duration, now: Duration) -> Duration {
    took.saturating_mul(COURTESY).min(now / COURTESY_PART).min(LONGEST_PAUSE).max(pace(now))
}

#[cfg(test)]
mod tests;
