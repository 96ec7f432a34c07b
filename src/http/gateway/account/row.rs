//! The end of an account: what it was is counted, and its row goes to the ledger.

use super::super::finished::Names;
use super::{Account, Traced, micros};
use crate::traces::Ended;
use llm_manager_ledger::{Labels, Outcome, RequestRow, Tokens, UsageSource};
use llm_manager_policy::usage::{self, End, Meter, Usage};

impl Drop for Account {
    fn drop(&mut self) {
        let left = self.row.as_ref().is_some_and(|row| row.outcome == Outcome::ClientLeft);
        if left && self.has_ended() {
            // Nothing was left to come: OpenAI's own client closes its connection at `[DONE]`.
            self.completed();
        }
        let Some(mut row) = self.row.take() else {
            self.settle(&RequestRow::default());
            return;
        };
        row.duration_us = micros(self.began.elapsed());
        if std::thread::panicking() {
            row.outcome = Outcome::Failed;
            row.error = Some("a part of the manager panicked; its log says where".to_owned());
        }
        if let Some(meter) = self.meter.take() {
            self.count(*meter, &mut row);
        } else if !self.endpoint.counted {
            // Nothing was generated: that is known, and costs nothing.
            row.tokens = Tokens { input: Some(0), output: Some(0), ..Tokens::default() };
            row.usage_source = UsageSource::Backend;
        }
        self.settle(&row);
        let (spec, variant) = (&self.model.spec, self.variant.as_deref().unwrap_or_default());
        row.labels =
            Labels::shared([&spec.name, variant, &spec.mode.name, &self.endpoint.path, &self.api_key, ""]);
        if let Some(line) = &self.line {
            let endpoint = &self.endpoint.path;
            line.write(&row, &Names { api_key: &self.api_key, model: &spec.name, endpoint });
        }
        if let Some(traced) = self.trace.take() {
            let Traced { trace, method, start } = *traced;
            let (method, endpoint, api_key) = (method.as_str(), &*self.endpoint.path, &*self.api_key);
            trace.ends(&Ended { row: &row, method, endpoint, model: &spec.name, variant, api_key, start });
        }
        self.model.traffic.count(&row, self.pieces);
        if let Some(draft) = self.draft.take() {
            draft.finish(&row);
        }
        self.ledger.record(row);
    }
}

impl Account {
    fn settle(&mut self, row: &RequestRow) {
        let Some(admission) = self.admission.take() else { return };
        let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        let tokens = [count(row.tokens.input), count(row.tokens.cached), count(row.tokens.output)];
        admission.settle(&self.ledger, &self.model.spec, tokens);
    }

    fn count(&self, meter: Meter, row: &mut RequestRow) {
        let end = match row.outcome {
            Outcome::Ok => End::Complete,
            Outcome::ClientLeft => End::ClientLeft,
            _ => End::Broken,
        };
        let learnt = &self.model.learnt;
        let mut usage = meter.finish(end, &learnt.pace());
        let is_of_one = usage.all_inputs.is_some() || usage.of_first;
        let is_guess = usage.source == usage::Source::Estimated;
        if is_of_one || is_guess || (usage.input.is_none() && usage.output.is_some()) {
            let question = self.question.read();
            usage = usage.of_prompts(&question);
            if question.echoes {
                usage = usage.of_echo();
            }
            if question.tokens() > 0 {
                usage = usage.or_input(question.tokens());
            }
        }
        // What an echo has of text is not all of the output.
        if usage.source == usage::Source::Backend && row.outcome == Outcome::Ok && !is_guess {
            learnt.counted(&usage);
        }
        row.usage_source = match usage.source {
            usage::Source::Backend => UsageSource::Backend,
            usage::Source::Estimated => UsageSource::Estimated,
            usage::Source::None => UsageSource::None,
        };
        row.tokens = tokens(&usage);
    }
}

fn tokens(usage: &Usage) -> Tokens {
    let count = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    Tokens {
        input: count(usage.input),
        cached: count(usage.cached),
        cache_write: count(usage.cache_write),
        output: count(usage.output),
        reasoning: count(usage.reasoning),
    }
}
