//! The two books that are compared: the backends' journal, and the ledger's rows and sums.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::support::Manager;

/// What the backends say of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Times that it came; twice, if a backend died before it answered.
    pub(super) asked: u64,
    /// A stream of answers has begun.
    pub(super) begun: bool,
    /// Tokens that were sent as events.
    pub(super) words: u64,
    /// Input, cached ones and output, as reported to the manager.
    pub(super) usage: Option<(u64, Option<u64>, u64)>,
}

/// What a row says of tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tokens {
    input: Option<u64>,
    cached: Option<u64>,
    pub(super) output: Option<u64>,
    source: String,
}

impl Entry {
    /// What the ledger has to make of it: the report where there is one; of a stream without it the tokens that
    /// were sent, and the length of the question for the input.
    pub(super) fn tokens(&self, question_bytes: usize) -> Tokens {
        let source = |source: &str| source.to_owned();
        match self.usage {
            Some((input, cached, output)) => {
                Tokens { input: Some(input), cached, output: Some(output), source: source("backend") }
            }
            None if self.begun => Tokens {
                input: Some(question_bytes.div_ceil(4) as u64),
                cached: None,
                output: Some(self.words),
                source: source("estimated"),
            },
            None => Tokens { source: source("none"), ..Tokens::default() },
        }
    }
}

/// What all backends of all lives have written down.
pub(super) struct Journal(HashMap<String, Entry>);

impl Journal {
    pub(super) fn read(path: &Path) -> Self {
        let mut entries: HashMap<String, Entry> = HashMap::new();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let count = |nth: usize| words[nth].parse().ok();
            let entry = entries.entry(words[0].to_owned()).or_default();
            match words[1] {
                // Whatever an earlier try had sent, nobody has seen.
                "asked" => *entry = Entry { asked: entry.asked + 1, ..Entry::default() },
                "begun" => entry.begun = true,
                "token" => entry.words += 1,
                "usage" => entry.usage = Some((count(2).unwrap(), count(3), count(4).unwrap())),
                other => panic!("{other}: {line}"),
            }
        }
        Self(entries)
    }

    pub(super) fn entry(&self, id: &str) -> Entry {
        self.0.get(id).cloned().unwrap_or_default()
    }
}

/// A row of the ledger.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) model: String,
    pub(super) status: u16,
    pub(super) outcome: String,
    pub(super) tokens: Tokens,
    /// Millionths.
    cost: i64,
}

/// All rows of the ledger by request. A second one of the same request is a failure.
pub(super) fn read_rows(manager: &Manager) -> HashMap<String, Row> {
    let csv = manager.get("/api/requests").header("Accept", "text/csv").send().ok().text();
    let mut rows = HashMap::new();
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let count = |nth: usize| fields[nth].parse().ok();
        let row = Row {
            model: fields[3].to_owned(),
            status: fields[8].parse().unwrap(),
            outcome: fields[9].to_owned(),
            tokens: Tokens {
                input: count(10),
                cached: count(11),
                output: count(13),
                source: fields[15].to_owned(),
            },
            cost: millionths(fields[16]),
        };
        let twice = rows.insert(fields[0].to_owned(), row);
        assert!(twice.is_none(), "{} has two rows", fields[0]);
    }
    rows
}

fn millionths(money: &str) -> i64 {
    let (whole, part) = money.split_once('.').unwrap_or((money, ""));
    assert!(part.len() <= 6, "{money}");
    format!("{whole}{part:0<6}").parse().unwrap()
}

/// Sums of rows, made by hand or by a report.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sums {
    requests: i64,
    failed: i64,
    rejected: i64,
    client_left: i64,
    refused: i64,
    estimated: i64,
    unrecorded: i64,
    input: i64,
    cached: i64,
    output: i64,
    cost: i64,
}

impl Sums {
    /// Adds a row, whose price is made by hand: 1 and 2 a million, where tokens are known; none for ranking.
    pub(super) fn add(&mut self, row: &Row) {
        let known = |count: Option<u64>| count.unwrap_or(0).cast_signed();
        let refused = row.outcome.starts_with("refused:");
        let tokens = &row.tokens;
        let cost = match (tokens.input, tokens.output) {
            (Some(input), Some(output)) if row.model != "rank" => (input + 2 * output).cast_signed(),
            _ => 0,
        };
        assert_eq!(row.cost, cost, "{row:?}");
        *self = self.plus(&Self {
            requests: 1,
            failed: i64::from(matches!(row.outcome.as_str(), "backend_error" | "failed")),
            rejected: i64::from(row.outcome == "rejected"),
            client_left: i64::from(row.outcome == "client_left"),
            refused: i64::from(refused),
            estimated: i64::from(tokens.source == "estimated"),
            unrecorded: i64::from(tokens.source == "none" && !refused && row.status < 400),
            input: known(tokens.input),
            cached: known(tokens.cached),
            output: known(tokens.output),
            cost,
        });
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            failed: self.failed + other.failed,
            rejected: self.rejected + other.rejected,
            client_left: self.client_left + other.client_left,
            refused: self.refused + other.refused,
            estimated: self.estimated + other.estimated,
            unrecorded: self.unrecorded + other.unrecorded,
            input: self.input + other.input,
            cached: self.cached + other.cached,
            output: self.output + other.output,
            cost: self.cost + other.cost,
        }
    }

    /// From a report.
    pub(super) fn of(totals: &Value) -> Self {
        let count = |name: &str| totals[name].as_i64().unwrap();
        Self {
            requests: count("requests"),
            failed: count("failed"),
            rejected: count("rejected"),
            client_left: count("client_left"),
            refused: count("refused"),
            estimated: count("estimated"),
            unrecorded: count("unrecorded"),
            input: count("input_tokens"),
            cached: count("cached_tokens"),
            output: count("output_tokens"),
            cost: totals["cost"]["CNY"].as_str().map_or(0, millionths),
        }
    }
}
