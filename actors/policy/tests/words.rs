//! What people read of the values that have words: each of them says its own.

use llm_manager_policy::cluster::{Gres, PodRequest, SlurmRequest};
use llm_manager_policy::devices::{BadRequirement, Program};
use llm_manager_policy::ending::EndCause;
use llm_manager_policy::hours::{BadHours, Hours};
use llm_manager_policy::lifecycle::{Phase, StopCause};
use llm_manager_policy::memory::MemoryPurpose;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::panic_message::words_of;
use llm_manager_policy::placement::{BlockReason, Never, Paused};
use llm_manager_policy::pricing::{
    BadDecimal, Currency, Money, MoneyOverflow, PlanInThePast, PlanMistake, PlanProblem, Price,
    share_by_weight,
};
use llm_manager_policy::reload::Change;
use llm_manager_policy::retry::{Attempts, RequestFailure};
use llm_manager_policy::rights::Scope;
use llm_manager_policy::spec::{Class, DeliveryMethod, Place, Secret, WebhookFormat};
use llm_manager_policy::usage::BadPointer;
use std::fmt::Display;
use std::time::Duration;

/// Each value begins as it should, and no two are the same.
fn say(cases: &[(&dyn Display, &str)]) {
    let mut seen = Vec::new();
    for (value, begins) in cases {
        let words = value.to_string();
        assert!(words.starts_with(begins), "{words} instead of {begins}");
        assert!(!seen.contains(&words), "{words}");
        seen.push(words);
    }
}

#[test]
fn what_is_wrong_with_a_configuration() {
    say(&[
        (&BadHours::Form, "expected hours such as"),
        (&BadHours::Day("Moon".into()), "\"Moon\" is no day; the days are Mon, Tue, Wed, Thu, Fri, Sat, Sun"),
        (&BadHours::Time("25:00".into()), "\"25:00\" is no time from 00:00 to 24:00"),
        (&BadHours::Nothing, "it begins when it ends"),
        (&BadPointer::NoSlash, "a JSON pointer begins with `/`"),
        (&BadPointer::Escape, "`~` in a JSON pointer"),
        (&BadPointer::TooDeep, "a JSON pointer may be 12 levels deep"),
        (&BadPointer::TooLong, "a key in a JSON pointer may be 40 bytes long"),
        (&BadRequirement::Empty, "names no device"),
        (&BadRequirement::Zero, "counts and numbers begin at 1"),
        (&BadRequirement::CountOfNumbered, "a device with a `#` number is one device"),
    ]);
}

#[test]
fn what_is_wrong_with_a_price() {
    say(&[
        (&PlanMistake::Method, "is neither \"tiered\" nor \"hourly\""),
        (&PlanMistake::Currency, "is not a currency code"),
        (&PlanMistake::Missing, "is missing"),
        (&PlanMistake::Unexpected, "does not belong to this method"),
        (&PlanMistake::NoTiers, "has no tier"),
        (&PlanMistake::TooManyTiers, "has more than 64 tiers"),
        (&PlanMistake::Unreachable { covered_by: 3 }, "is never used: whatever fits in it fits in tiers[3]"),
        (&PlanMistake::Decimal(BadDecimal::Empty), "is empty"),
        (&BadDecimal::Negative, "is negative"),
        (&BadDecimal::Exponent, "has an exponent"),
        (&BadDecimal::NotANumber, "is not a decimal"),
        (&BadDecimal::TooFine { digits: 6 }, "has more than 6 digits"),
        (&BadDecimal::TooBig, "is too big"),
        (
            &PlanProblem { at: "tiers[2].input".into(), wrong: PlanMistake::Missing },
            "tiers[2].input: is missing",
        ),
        (&PlanInThePast, "a price plan can't begin in the past"),
        (&MoneyOverflow, "the cost is too big"),
    ]);
    let currency = Currency::new("CNY");
    assert_eq!(currency.map(|currency| currency.to_string()).as_deref(), Some("CNY"));
    assert_eq!(currency.as_ref().map(Currency::as_str), Some("CNY"));
}

#[test]
fn what_a_variant_asks_for_and_a_device_has() {
    let (a100, cpu) = (Some("gpu:a100".to_owned()), Some("cpu".to_owned()));
    let gres =
        |kind: Option<&str>| Gres { name: "gpu".into(), kind: kind.map(str::to_owned), count: 1, used: 0 };
    say(&[
        (&SlurmRequest::default(), "Slurm"),
        (&SlurmRequest { gres: a100.clone(), ..SlurmRequest::default() }, "Slurm gpu:a100"),
        (&SlurmRequest { partition: cpu.clone(), ..SlurmRequest::default() }, "Slurm cpu"),
        (&SlurmRequest { partition: cpu, gres: a100, ..SlurmRequest::default() }, "Slurm cpu gpu:a100"),
        (&PodRequest::default(), "Kubernetes"),
        (&PodRequest { namespace: Some("ml".into()), ..PodRequest::default() }, "Kubernetes ml"),
        (
            &PodRequest {
                context: Some("lab".into()),
                namespace: Some("ml".into()),
                ..PodRequest::default()
            },
            "Kubernetes lab ml",
        ),
        (&gres(None), "gpu"),
        (&gres(Some("v100")), "gpu:v100"),
        (&Program { name: "firefox".into(), mib: None }, "firefox"),
        (&Program { name: "firefox".into(), mib: Some(300) }, "firefox 300"),
    ]);
}

#[test]
fn what_memory_is_for() {
    say(&[
        (&MemoryPurpose::Weights, "weights"),
        (&MemoryPurpose::Cache, "KV cache"),
        (&MemoryPurpose::State, "recurrent state"),
        (&MemoryPurpose::Compute, "compute buffers"),
        (&MemoryPurpose::Projector, "projector"),
        (&MemoryPurpose::Draft, "draft model"),
        (&MemoryPurpose::Pool, "KV cache and buffers"),
        (&MemoryPurpose::Process, "driver and process"),
        (&MemoryPurpose::Prompts, "kept prompts"),
    ]);
}

#[test]
fn why_a_model_has_no_place() {
    let until = Duration::from_secs(9);
    let paused = |seconds: u64| Paused { device: "npu".into(), left: Duration::from_secs(seconds) };
    say(&[
        (
            &BlockReason::Young { until, left: Duration::from_millis(1500) },
            "which keeps its memory for another 1.5 s",
        ),
        (
            &BlockReason::Guarded { until, left: Duration::from_millis(1500) },
            "which a higher class has just used",
        ),
        (&BlockReason::Busy, "which is busy"),
        (&BlockReason::Starting, "which is being started"),
        (&BlockReason::Leaving, "which is stopping"),
        (&BlockReason::Settling, "which has just ended"),
        (&BlockReason::First, "which came first"),
        (&BlockReason::Pinned, "which is pinned"),
        (&BlockReason::Warm, "which is kept warm"),
        (&BlockReason::Itself, "by itself, parked"),
        (&Never::Unreachable, "no variant's address answers"),
        (&Never::NoDevice, "no variant's devices are all online"),
        (&Never::NoMemory, "no variant fits"),
        (&Never::NotForBoot, "other models would have to stop"),
        (&Never::OutOfMemory, "ran out of memory"),
        (&Never::Paused, "an operator has paused a device"),
        (&paused(0), "npu is paused by an operator for another 1 s"),
        (&paused(59), "npu is paused by an operator for another 59 s"),
        (&paused(60), "npu is paused by an operator for another 1 min"),
        (&paused(3599), "npu is paused by an operator for another 59 min"),
        (&paused(2 * 3600 + 180), "npu is paused by an operator for another 2 h 3 min"),
    ]);
}

#[test]
fn what_a_new_configuration_changes() {
    let keys = |keys: &[&'static str]| keys.to_vec();
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect::<Vec<_>>();
    say(&[
        (&Change::InPlace(keys(&["a", "b"])), "changes in place (a, b)"),
        (
            &Change::Relaunched { variants: names(&["A", "B"]), keys: keys(&[]) },
            "its launch changes (A, B); if it runs so, it is restarted when its answers have ended",
        ),
        (
            &Change::Relaunched { variants: names(&["A"]), keys: keys(&["mode"]) },
            "its launch changes (A); if it runs so, it is restarted when its answers have ended; also mode",
        ),
        (&Change::Added, "is new"),
        (&Change::Renamed { from: names(&["x"]) }, "is new and takes over the data of x"),
        (&Change::Removed { data_to: None }, "is removed; its running responses finish first, its data stay"),
        (
            &Change::Removed { data_to: Some("y".into()) },
            "is removed; its running responses finish first, its data become those of y",
        ),
    ]);
}

#[test]
fn each_word_means_what_it_says() {
    for state in ModelState::ALL {
        assert_eq!(ModelState::parse(state.text()), Some(state));
        assert_eq!(format!("{state:>9}").trim_start(), state.text());
    }
    for scope in Scope::ALL {
        assert_eq!(Scope::of(scope.text()), Some(scope));
    }
    for class in Class::ALL {
        assert_eq!(Class::of(class.text()), Some(class));
    }
    for form in [WebhookFormat::Json, WebhookFormat::Ntfy, WebhookFormat::Slack, WebhookFormat::Feishu] {
        assert_eq!(WebhookFormat::of(form.text()), Some(form));
    }
    assert_eq!(Scope::ALL.map(Scope::text), ["infer", "read", "operate", "admin"]);
    assert_eq!(Class::ALL.map(Class::text), ["batch", "normal", "interactive"]);
    assert_eq!(
        (
            WebhookFormat::Json.text(),
            WebhookFormat::Ntfy.text(),
            WebhookFormat::Slack.text(),
            WebhookFormat::Feishu.text()
        ),
        ("json", "ntfy", "slack", "feishu")
    );
    assert_eq!((ModelState::parse("asleep"), Scope::of("all"), Class::of("high")), (None, None, None));
    assert_eq!(WebhookFormat::of("xml"), None);
    let hook = DeliveryMethod::Webhook {
        url: Secret::new("http://box".into()),
        form: WebhookFormat::Ntfy,
        secret: None,
    };
    assert_eq!((hook.format(), DeliveryMethod::Command(Vec::new()).format()), ("ntfy", "json"));
}

#[test]
fn each_phase_has_its_state() {
    let now = Duration::from_secs(1);
    let states = [
        (Phase::Stopped, ModelState::Stopped),
        (Phase::Queued { deadline: now }, ModelState::Queued),
        (Phase::Starting { deadline: now }, ModelState::Starting),
        (Phase::Ready { since: now }, ModelState::Ready),
        (Phase::Draining { deadline: None, cause: StopCause::Idle }, ModelState::Draining),
        (Phase::Failed { retry_at: now }, ModelState::Failed),
    ];
    for (phase, state) in states {
        assert_eq!(ModelState::from(&phase), state);
    }
}

#[test]
fn which_ends_are_failures() {
    use EndCause::*;
    let failures: Vec<_> = EndCause::ALL.into_iter().filter(|cause| cause.is_failure()).collect();
    assert_eq!(failures, [StartFailed, StartTimeout, OutOfMemory, Unreachable, Crashed, Unresponsive]);
}

#[test]
fn a_panic_says_its_words() {
    assert_eq!(words_of(&"fixed"), "fixed");
    assert_eq!(words_of(&"made".to_owned()), "made");
    assert_eq!(words_of(&7), "without a message");
}

#[test]
fn small_things_are_what_they_were_made_of() {
    assert_eq!(Hours::parse("22:00-06:30").map(|hours| hours.end()), Ok(390));
    assert_eq!(Price::from_units(1_500_000).to_string(), "1.5");
    let money = Money::from_units;
    assert_eq!(share_by_weight(money(10), &[1, 3]), Ok(vec![money(3), money(7)]));
    assert!(Place::Local.is_local() && !Place::Slurm(SlurmRequest::default()).is_local());
    assert_eq!(
        (Place::Local.to_string(), Place::Slurm(SlurmRequest::default()).to_string()),
        ("this machine".into(), "Slurm".into())
    );
    let mut tries = Attempts::default();
    tries.broke(RequestFailure::NoConnection);
    assert!(!tries.is_repeated());
    tries.broke(RequestFailure::Unanswered);
    assert!(tries.is_repeated());
}

#[test]
fn a_life_ends_with_the_word_that_nothing_of_it_is_left() {
    use llm_manager_policy::lifecycle::Event;
    for event in [Event::Gone { epoch: 3 }, Event::OutOfMemory { epoch: 3 }, Event::Unreachable { epoch: 3 }]
    {
        assert_eq!([2, 3, 4].map(|life| event.ends(life)), [false, true, false], "{event:?}");
    }
    assert!(!Event::LeaseFreed.ends(3));
}
