//! The commands that speak to a running manager: status, start, stop, restart, logs, queue, usage, tree.

use super::client::{ManagerClient, segment};
use super::notify::NotifyOrder;
use super::print::print;
use super::statement::StatementOrder;
use super::usage::UsageOrder;
use crate::sse::Events;
use awc::http::Method;
use comfy_table::{Table, presets};
use futures_util::StreamExt;
use llm_manager_policy::spec::ProgramSpec;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// What to do.
pub(super) enum RemoteCommand {
    Status,
    Start(String),
    Stop(String, bool),
    Restart(String),
    Park(String),
    Wake(String),
    Logs {
        model: String,
        follow: bool,
        tail: usize,
    },
    Explain {
        model: String,
        memory: bool,
    },
    Queue,
    Cancel {
        id: String,
    },
    Usage(UsageOrder),
    Statement(StatementOrder),
    Rename {
        old: String,
        new: String,
        merge: bool,
    },
    Reload {
        dry_run: bool,
    },
    /// Without minutes: it may be used again.
    Pause {
        device: String,
        minutes: Option<f64>,
    },
    Notify(NotifyOrder),
    Tree,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    state: String,
    variant: Option<String>,
    place: Option<String>,
    pid: Option<u32>,
    port: Option<u16>,
    leases: u32,
    waiting: usize,
    idle_seconds_left: Option<f64>,
    last_error: Option<String>,
    #[serde(default)]
    replicas: Vec<Replica>,
    #[serde(default)]
    max_replicas: u32,
}

/// One of several backends of a model.
#[derive(Deserialize)]
struct Replica {
    number: usize,
    state: String,
    variant: Option<String>,
    place: Option<String>,
    pid: Option<u32>,
    port: Option<u16>,
    leases: u32,
    last_error: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    seq: u64,
    line: String,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    state: String,
    detail: Option<String>,
    restarts: u64,
    since: jiff::Timestamp,
    last_exit: Option<String>,
    children: Vec<Node>,
}

/// Carries the order out and prints its result.
pub(super) async fn run(path: &Path, program: &ProgramSpec, order: RemoteCommand) -> Result<(), String> {
    let manager = ManagerClient::of(path, program)?;
    match order {
        RemoteCommand::Status => status(&manager).await,
        RemoteCommand::Start(model) => say_state(&manager, &model, "start").await,
        RemoteCommand::Stop(model, now) => {
            say_state(&manager, &model, if now { "stop?now=true" } else { "stop" }).await
        }
        RemoteCommand::Restart(model) => say_state(&manager, &model, "restart").await,
        RemoteCommand::Park(model) => say_state(&manager, &model, "park").await,
        RemoteCommand::Wake(model) => say_state(&manager, &model, "wake").await,
        RemoteCommand::Logs { model, follow, tail } => logs(&manager, &model, follow, tail).await,
        RemoteCommand::Explain { model, memory: true } => {
            print(&super::memory::explain(&manager, &model).await?)
        }
        RemoteCommand::Explain { model, memory: false } => explain(&manager, &model).await,
        RemoteCommand::Queue => queue(&manager).await,
        RemoteCommand::Cancel { id } => cancel(&manager, &id).await,
        RemoteCommand::Usage(order) => print(&order.run(&manager).await?),
        RemoteCommand::Statement(order) => print(&order.run(&manager).await?),
        RemoteCommand::Rename { old, new, merge } => rename(&manager, &old, &new, merge).await,
        RemoteCommand::Reload { dry_run } => reload(&manager, dry_run).await,
        RemoteCommand::Pause { device, minutes } => {
            print(&super::pause::run(&manager, &device, minutes).await?)
        }
        RemoteCommand::Notify(order) => print(&super::notify::run(&manager, order).await?),
        RemoteCommand::Tree => tree(&manager).await,
    }
}

async fn status(manager: &ManagerClient) -> Result<(), String> {
    let models: Vec<Model> = manager.ask_json(Method::GET, "/api/models").await?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "MODEL",
        "STATE",
        "VARIANT",
        "PID",
        "PORT",
        "LEASES",
        "WAITING",
        "IDLE LEFT",
        "LAST ERROR",
    ]);
    let dash = || "-".to_owned();
    let first_line =
        |error: Option<&str>| error.and_then(|error| error.lines().next()).unwrap_or("").to_owned();
    for model in models {
        let many = model.max_replicas > 1 || model.replicas.iter().any(|one| one.number > 1);
        let replicas = if many { model.replicas } else { Vec::new() };
        table.add_row([
            model.name,
            model.state,
            model.variant.map_or_else(dash, |variant| at_place(variant, model.place.as_deref())),
            model.pid.map_or_else(dash, |pid| pid.to_string()),
            model.port.map_or_else(dash, |port| port.to_string()),
            model.leases.to_string(),
            model.waiting.to_string(),
            model.idle_seconds_left.map_or_else(dash, duration),
            first_line(model.last_error.as_deref()),
        ]);
        for one in replicas {
            table.add_row([
                format!("  replica {}", one.number),
                one.state,
                one.variant.map_or_else(dash, |variant| at_place(variant, one.place.as_deref())),
                one.pid.map_or_else(dash, |pid| pid.to_string()),
                one.port.map_or_else(dash, |port| port.to_string()),
                one.leases.to_string(),
                dash(),
                dash(),
                first_line(one.last_error.as_deref()),
            ]);
        }
    }
    print(&table.to_string())
}

/// A variant, and where it is if not here.
fn at_place(variant: String, place: Option<&str>) -> String {
    match place {
        Some(place) => format!("{variant} ({place})"),
        None => variant,
    }
}

async fn say_state(manager: &ManagerClient, model: &str, verb: &str) -> Result<(), String> {
    let path = format!("/api/models/{}/{verb}", segment(model));
    let model: Model = manager.ask_json(Method::POST, &path).await?;
    let pid = model.pid.map(|pid| format!(" (pid {pid})"));
    let place = pid.or(model.place.map(|place| format!(" ({place})"))).unwrap_or_default();
    print(&format!("{}: {}{place}", model.name, model.state))
}

async fn rename(manager: &ManagerClient, old: &str, new: &str, merge: bool) -> Result<(), String> {
    let path = format!("/api/storage/{}/rename", segment(old));
    manager.tell(Method::POST, &path, &json!({"to": new, "merge": merge})).await?;
    print(&format!("the data of {old} is now under {new}"))
}

#[derive(Deserialize)]
struct Plan {
    lines: Vec<String>,
}

async fn reload(manager: &ManagerClient, dry_run: bool) -> Result<(), String> {
    let path = format!("/api/config/reload?dry_run={dry_run}");
    let plan: Plan = manager.ask_json(Method::POST, &path).await?;
    if plan.lines.is_empty() {
        return print("nothing has changed");
    }
    plan.lines.iter().try_for_each(|line| print(line))?;
    print(if dry_run { "a dry run: nothing was changed" } else { "the configuration is in force" })
}

async fn logs(manager: &ManagerClient, model: &str, follow: bool, tail: usize) -> Result<(), String> {
    let path = format!("/api/models/{}/logs?tail={tail}", segment(model));
    if !follow {
        let lines: Vec<Line> = manager.ask_json(Method::GET, &path).await?;
        return lines.iter().try_for_each(|line| print(&line.line));
    }
    let mut response = manager.ask(Method::GET, &format!("{path}&follow=true")).await?;
    let (mut events, mut last_seq) = (Events::default(), 0);
    while let Some(chunk) = response.next().await {
        let chunk = chunk.map_err(|error| format!("the manager is gone: {error}"))?;
        let mut lines: Vec<Line> = Vec::new();
        // What isn't a line says how many are missing, which their numbers say, too.
        events.push(&chunk, |data| lines.extend(serde_json::from_slice::<Line>(data)));
        for line in lines {
            if last_seq != 0 && line.seq > last_seq + 1 {
                print(&format!("... {} lines are missing here ...", line.seq - last_seq - 1))?;
            }
            last_seq = line.seq;
            print(&line.line)?;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Placement {
    summary: String,
    asleep: Option<String>,
    #[serde(default)]
    ahead: Vec<Ahead>,
    #[serde(default)]
    variants: Vec<VariantPlacement>,
}

/// A model that gets memory first.
#[derive(Deserialize)]
struct Ahead {
    model: String,
    class: Option<String>,
    seconds: f64,
}

#[derive(Deserialize)]
struct VariantPlacement {
    variant: String,
    place: Option<String>,
    verdict: String,
    missing: Vec<String>,
    #[serde(default)]
    paused: Vec<String>,
    lacks: Vec<String>,
    cluster: Option<String>,
    #[serde(default)]
    inherited: Vec<String>,
}

#[derive(Deserialize)]
struct Queued {
    id: String,
    model: String,
    api_key: String,
    class: String,
    place: usize,
    waits_for: String,
    seconds: f64,
    estimate_seconds: Option<f64>,
}

async fn queue(manager: &ManagerClient) -> Result<(), String> {
    let queue: Vec<Queued> = manager.ask_json(Method::GET, "/api/queue").await?;
    if queue.is_empty() {
        return print("nobody waits");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["MODEL", "PLACE", "CLASS", "WAITED", "LEFT", "WAITS FOR", "KEY", "REQUEST"]);
    let dash = || "-".to_owned();
    for one in queue {
        table.add_row([
            one.model,
            one.place.to_string(),
            one.class,
            duration(one.seconds),
            one.estimate_seconds.map_or_else(dash, |left| format!("about {}", duration(left))),
            one.waits_for,
            if one.api_key.is_empty() { dash() } else { one.api_key },
            one.id,
        ]);
    }
    print(&table.to_string())
}

async fn cancel(manager: &ManagerClient, id: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Done {
        was: String,
    }
    let path = format!("/api/requests/{}/cancel", segment(id));
    let done: Done = manager.ask_json(Method::POST, &path).await?;
    print(&format!("request {id}: cancelled while {}", done.was))
}

async fn explain(manager: &ManagerClient, model: &str) -> Result<(), String> {
    let path = format!("/api/models/{}/placement", segment(model));
    let placement: Placement = manager.ask_json(Method::GET, &path).await?;
    if let Some(asleep) = &placement.asleep {
        print(&format!("{model}: {asleep}"))?;
    }
    print(&placement.summary)?;
    for one in placement.ahead {
        let class = one.class.as_deref().unwrap_or("auto_start");
        print(&format!("  before it: {} ({class}, waits for {:.0} s)", one.model, one.seconds))?;
    }
    for one in placement.variants {
        let reasons = [one.missing, one.paused, one.lacks].concat().join("; ");
        let reasons = if reasons.is_empty() { reasons } else { format!(": {reasons}") };
        let variant = at_place(one.variant, one.place.as_deref());
        print(&format!("  {variant}: {}{reasons}", one.verdict))?;
        if let Some(cluster) = &one.cluster {
            print(&format!("    Slurm: {cluster}"))?;
        }
        if !one.inherited.is_empty() {
            print(&format!("    inherits {} from the manager's environment", one.inherited.join(", ")))?;
        }
    }
    Ok(())
}

async fn tree(manager: &ManagerClient) -> Result<(), String> {
    let root: Node = manager.ask_json(Method::GET, "/api/supervision").await?;
    let mut text = String::new();
    draw(&root, "", "", &mut text);
    print(text.trim_end())
}

fn draw(node: &Node, own: &str, below: &str, text: &mut String) {
    let up = jiff::Timestamp::now().duration_since(node.since).as_secs_f64();
    let detail = node.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
    text.push_str(&format!("{own}{}  {}{detail}, up {}", node.name, node.state, duration(up)));
    if node.restarts > 0 {
        text.push_str(&format!(", {} restarts", node.restarts));
    }
    if let Some(exit) = &node.last_exit {
        text.push_str(&format!(", last exit: {exit}"));
    }
    text.push('\n');
    for (index, child) in node.children.iter().enumerate() {
        let last = index + 1 == node.children.len();
        let (branch, trunk) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        draw(child, &format!("{below}{branch}"), &format!("{below}{trunk}"), text);
    }
}

/// Seconds as `4.2s`, `3m07s` or `2h05m`.
fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let whole = std::time::Duration::from_secs_f64(seconds.min(1e12)).as_secs();
    if whole < 3600 {
        return format!("{}m{:02}s", whole / 60, whole % 60);
    }
    format!("{}h{:02}m", whole / 3600, whole / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(4.23), "4.2s");
        assert_eq!(duration(187.0), "3m07s");
        assert_eq!(duration(7500.0), "2h05m");
    }
}
