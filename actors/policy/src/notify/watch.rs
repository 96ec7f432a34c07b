//! What of all that is seen is worth a word: the difference between two looks.

use super::notice::{Notice, NoticeKind};
use std::collections::BTreeMap;

/// Failures in a row after which a model counts as failed for good.
const FAILURES: u32 = 3;
/// Rows have waited for so many looks before anybody is told: a short jam clears by itself.
const LOOKS: u32 = 5;
/// Days before its end at which a certificate is told of.
const DAYS: [i64; 5] = [0, 1, 3, 7, 14];
const DAY: i64 = 24 * 60 * 60;

/// What is seen at one look. What couldn't be looked at is `None`, and changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// All models.
    pub models: Vec<ModelObservation>,
    /// All devices: id, name, whether it is online.
    pub devices: Vec<(String, String, bool)>,
    /// Keys with a budget.
    pub budgets: Option<Vec<Budget>>,
    /// Rows wait in the overflow file; what is wrong with the ledger.
    pub rows_wait: Option<Option<String>>,
    /// The manager's own certificate.
    pub certificate: Option<Certificate>,
}

/// A model at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelObservation {
    pub name: String,
    /// It is `failed`.
    pub failed: bool,
    /// Failures since it last served well; 0 in a failed one: its actor was given up.
    pub failures: u32,
    /// What went wrong last.
    pub error: String,
}

/// A key's budget at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Whose.
    pub key: String,
    /// Which day or month.
    pub period: i64,
    /// What may be used.
    pub cap: u64,
    /// What has been used.
    pub used: u64,
    /// Requests that were refused for it, since the program began.
    pub refused: u64,
    /// The cap in words, such as `20 CNY a month`.
    pub words: String,
}

/// A certificate at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Its file.
    pub path: String,
    /// Seconds until it ends; negative: it has ended.
    pub seconds_left: i64,
    /// When it ends, in words.
    pub ends: String,
}

/// What is remembered from one look to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    failures: BTreeMap<String, u32>,
    devices: BTreeMap<String, bool>,
    budgets: BTreeMap<String, Used>,
    looks_with_rows: u32,
    /// Of which certificate, and how many days before its end, was told.
    certificate: Option<(String, i64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    period: i64,
    level: u8,
    refused: u64,
}

/// What is new since the last look.
pub fn look(mut memory: Memory, seen: &Observations) -> (Memory, Vec<Notice>) {
    let mut notices = Vec::new();
    memory.models(&seen.models, &mut notices);
    memory.devices(&seen.devices, &mut notices);
    if let Some(budgets) = &seen.budgets {
        memory.budgets(budgets, &mut notices);
    }
    memory.looks_with_rows =
        if seen.rows_wait.is_some() { memory.looks_with_rows.saturating_add(1) } else { 0 };
    // Again and again while it lasts: once an hour of it gets through.
    if let Some(trouble) = seen.rows_wait.as_ref().filter(|_| memory.looks_with_rows >= LOOKS) {
        notices.push(rows_wait(trouble.as_deref()));
    }
    memory.certificate(seen.certificate.as_ref(), &mut notices);
    (memory, notices)
}

impl Memory {
    fn models(&mut self, models: &[ModelObservation], notices: &mut Vec<Notice>) {
        let mut failures = BTreeMap::new();
        for model in models {
            let given_up = model.failed && model.failures == 0;
            let level = if given_up { u32::MAX } else { model.failures };
            let before = self.failures.get(&model.name).copied().unwrap_or(0);
            failures.insert(model.name.clone(), level);
            if model.failed && level >= FAILURES && level > before {
                notices.push(model_failed(model, given_up));
            }
        }
        self.failures = failures;
    }

    fn devices(&mut self, devices: &[(String, String, bool)], notices: &mut Vec<Notice>) {
        let mut now = BTreeMap::new();
        for (id, name, online) in devices {
            // One that nobody has seen before is no news.
            if self.devices.get(id).is_some_and(|before| before != online) {
                notices.push(device(name, *online));
            }
            now.insert(id.clone(), *online);
        }
        // One that has left the configuration isn't gone.
        self.devices = now;
    }

    fn budgets(&mut self, budgets: &[Budget], notices: &mut Vec<Notice>) {
        let mut now = BTreeMap::new();
        for budget in budgets {
            let before = self.budgets.get(&budget.key).copied();
            let of_period = before.filter(|before| before.period == budget.period);
            let refused = before.is_some_and(|before| budget.refused > before.refused);
            let level = level(budget, refused).max(of_period.map_or(0, |before| before.level));
            now.insert(budget.key.clone(), Used { period: budget.period, level, refused: budget.refused });
            if level > of_period.map_or(0, |before| before.level) {
                notices.push(used(budget, level));
            }
        }
        self.budgets = now;
    }

    fn certificate(&mut self, certificate: Option<&Certificate>, notices: &mut Vec<Notice>) {
        let Some(certificate) = certificate else { return };
        let within = |days: &&i64| certificate.seconds_left <= **days * DAY;
        let days = DAYS.iter().find(within).copied();
        let now = days.map(|days| (certificate.ends.clone(), days));
        if let Some((_, days)) = now.as_ref().filter(|now| self.certificate.as_ref() != Some(now)) {
            notices.push(ends(certificate, *days));
        }
        self.certificate = now;
    }
}

/// 0, 80 or 100. A request is refused when what it may take is more than what is left: then a budget that is nearly used up
/// counts as used up, for it may never come closer to its end.
fn level(budget: &Budget, refused: bool) -> u8 {
    let (used, cap) = (u128::from(budget.used), u128::from(budget.cap));
    let most = used * 100 >= cap * 80;
    match (used >= cap, most) {
        (true, _) => 100,
        (false, true) if refused => 100,
        (false, true) => 80,
        (false, false) => 0,
    }
}

fn model_failed(model: &ModelObservation, given_up: bool) -> Notice {
    let name = &model.name;
    let error = if model.error.is_empty() { "no reason is known" } else { &model.error };
    let text = if given_up {
        format!("It stays down until the manager is restarted: {error}")
    } else {
        format!("It failed {} times in a row. The last time: {error}", model.failures)
    };
    Notice {
        kind: NoticeKind::ModelFailed,
        subject: name.clone(),
        title: format!("Model {name} failed"),
        text,
    }
}

fn device(name: &str, online: bool) -> Notice {
    let (kind, title, text) = if online {
        (NoticeKind::DeviceBack, format!("Device {name} is back"), "Models may use it again.")
    } else {
        let text =
            "It doesn't respond any more. Models that need it can't be started, and those on it may fail.";
        (NoticeKind::DeviceGone, format!("Device {name} is gone"), text)
    };
    Notice { kind, subject: name.to_owned(), title, text: text.to_owned() }
}

fn used(budget: &Budget, level: u8) -> Notice {
    let Budget { key, cap, used, words, .. } = budget;
    let percent = if *cap == 0 { 100 } else { u128::from(*used) * 100 / u128::from(*cap) };
    let (kind, title, then) = if level >= 100 {
        (NoticeKind::Budget100, format!("The budget of {key} is used up"), "Its requests are refused.")
    } else {
        (
            NoticeKind::Budget80,
            format!("{key} has used 80 % of its budget"),
            "Its requests are refused at 100 %.",
        )
    };
    let text = format!("{percent} % of {words} is used. {then}");
    Notice { kind, subject: key.clone(), title, text }
}

fn rows_wait(trouble: Option<&str>) -> Notice {
    let why = trouble.map_or_else(String::new, |trouble| format!(": {trouble}"));
    Notice {
        kind: NoticeKind::RowsWaiting,
        subject: "ledger".to_owned(),
        title: "The ledger can't be written".to_owned(),
        text: format!(
            "Rows of requests wait in the overflow file beside it, and are written when it can be again{why}"
        ),
    }
}

fn ends(certificate: &Certificate, days: i64) -> Notice {
    let Certificate { path, ends, .. } = certificate;
    let title = match days {
        0 => "The certificate has ended".to_owned(),
        1 => "The certificate ends within a day".to_owned(),
        days => format!("The certificate ends within {days} days"),
    };
    let text = format!("{path} (`program.tls.cert`) ends at {ends}. Clients refuse to connect after that.");
    Notice { kind: NoticeKind::Certificate, subject: path.clone(), title, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(seen: &[Observations]) -> Vec<Vec<NoticeKind>> {
        let mut memory = Memory::default();
        let mut all = Vec::new();
        for one in seen {
            let (after, notices) = look(memory, one);
            memory = after;
            all.push(notices.iter().map(|notice| notice.kind).collect());
        }
        all
    }

    fn model(failed: bool, failures: u32) -> Observations {
        let model = ModelObservation { name: "m".into(), failed, failures, error: "exit code 1".into() };
        Observations { models: vec![model], ..Observations::default() }
    }

    fn gpu(online: bool) -> Observations {
        Observations { devices: vec![("id".into(), "gpu a".into(), online)], ..Observations::default() }
    }

    fn budget(period: i64, used: u64, refused: u64) -> Observations {
        let budget =
            Budget { key: "k".into(), period, cap: 1000, used, refused, words: "1000 tokens a day".into() };
        Observations { budgets: Some(vec![budget]), ..Observations::default() }
    }

    fn certificate(days: i64) -> Observations {
        let certificate =
            Certificate { path: "c.pem".into(), seconds_left: days * 86_400, ends: "then".into() };
        Observations { certificate: Some(certificate), ..Observations::default() }
    }

    #[test]
    fn a_budget_is_told_with_its_part() {
        let budget = |cap, used| Budget {
            key: "k".into(),
            period: 1,
            cap,
            used,
            refused: 0,
            words: "1000 tokens a day".into(),
        };
        assert!(used(&budget(1000, 857), 80).text.starts_with("85 % of 1000 tokens a day is used."));
        assert!(used(&budget(0, 0), 100).text.starts_with("100 % of "));
    }

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        assert!(NoticeKind::ALL.into_iter().all(|kind| NoticeKind::of(kind.text()) == Some(kind)));
        assert_eq!(NoticeKind::of("nothing"), None);
    }

    #[test]
    fn a_model_is_told_of_from_its_third_failure_on() {
        let seen = [
            model(true, 1),
            model(true, 2),
            model(false, 2),
            model(true, 3),
            model(true, 3),
            model(false, 3),
            model(true, 4),
            model(false, 0),
            model(true, 1),
            model(true, 0),
        ];
        let told: Vec<bool> = kinds(&seen).iter().map(|kinds| !kinds.is_empty()).collect();
        assert_eq!(told, [false, false, false, true, false, false, true, false, false, true]);
    }

    #[test]
    fn a_device_that_was_seen_is_told_of_when_it_goes_and_comes() {
        let none: Vec<NoticeKind> = Vec::new();
        let seen =
            [gpu(false), gpu(false), gpu(true), gpu(true), gpu(false), Observations::default(), gpu(true)];
        let told = kinds(&seen);
        assert_eq!(told[2], [NoticeKind::DeviceBack]);
        assert_eq!(told[4], [NoticeKind::DeviceGone]);
        assert_eq!([&told[0], &told[1], &told[3], &told[5], &told[6]], [&none; 5]);
    }

    #[test]
    fn a_budget_is_told_of_once_a_period_at_80_and_100_percent() {
        let seen = [
            budget(1, 799, 0),
            budget(1, 800, 0),
            budget(1, 900, 0),
            Observations::default(),
            budget(1, 950, 0),
            budget(1, 950, 1),
            budget(1, 1000, 2),
            budget(2, 0, 2),
            budget(2, 100, 3),
            budget(2, 2000, 3),
        ];
        let told = kinds(&seen);
        assert_eq!(told[1], [NoticeKind::Budget80]);
        assert_eq!(told[5], [NoticeKind::Budget100], "refused, and it may never come closer");
        assert_eq!(told[9], [NoticeKind::Budget100], "80 is passed");
        let others: usize = [0, 2, 3, 4, 6, 7, 8].iter().map(|at| told[*at].len()).sum();
        assert_eq!(others, 0, "{told:?}");
    }

    #[test]
    fn rows_that_wait_for_long_are_told_of() {
        let waits = Observations { rows_wait: Some(Some("disk full".to_owned())), ..Observations::default() };
        let mut seen = vec![waits.clone(); 4];
        seen.push(Observations::default());
        seen.extend(vec![waits; 6]);
        let told: Vec<usize> = kinds(&seen).iter().map(Vec::len).collect();
        assert_eq!(told, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_certificate_is_told_of_as_its_end_comes_near() {
        let days = [15, 14, 13, 8, 7, 4, 3, 2, 1, 0, -1, 90, 14];
        let seen: Vec<Observations> = days.iter().map(|days| certificate(*days)).collect();
        let told: Vec<i64> = days
            .iter()
            .zip(kinds(&seen))
            .filter(|(_, kinds)| !kinds.is_empty())
            .map(|(day, _)| *day)
            .collect();
        assert_eq!(told, [14, 7, 3, 1, 0, 14]);
    }
}
