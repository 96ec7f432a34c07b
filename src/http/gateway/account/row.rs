//! The end of an account: what it was is counted, and its row goes to the ledger.

use super::super::access_log::RequestNames;
use super::{RequestAccount, Traced, micros};
use crate::traces::EndedRequest;
use llm_manager_ledger::{Labels, Outcome, RequestRow, TokenCounts, UsageSource};
use llm_manager_policy::usage::{self, End, Meter, Usage};

impl Drop for RequestAccount {
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
            row.tokens = TokenCounts { input: Some(0), output: Some(0), ..TokenCounts::default() };
            row.usage_source = UsageSource::Backend;
        }
        self.settle(&row);
        let (spec, variant) = (&self.model.spec, self.variant.as_deref().unwrap_or_default());
        row.labels =
            Labels::shared([&spec.name, variant, &spec.mode.name, &self.endpoint.path, &self.api_key, ""]);
        if let Some(line) = &self.line {
            let endpoint = &self.endpoint.path;
            line.write(&row, &RequestNames { api_key: &self.api_key, model: &spec.name, endpoint });
        }
        if let Some(traced) = self.trace.take() {
            let Traced { trace, method, start } = *traced;
            let (method, endpoint, api_key) = (method.as_str(), &*self.endpoint.path, &*self.api_key);
            trace.ends(&EndedRequest {
                row: &row,
                method,
                endpoint,
                model: &spec.name,
                variant,
                api_key,
                start,
            });
        }
        self.model.traffic.count(&row, self.pieces);
        if let Some(draft) = self.draft.take() {
            draft.finish(&row);
        }
        self.ledger.record(row);
    }
}

impl RequestAccount {
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
        let is_guess = usage.source == usage::CountSource::Estimated;
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
        if usage.source == usage::CountSource::Backend && row.outcome == Outcome::Ok && !is_guess {
            learnt.counted(&usage);
        }
        row.usage_source = match usage.source {
            usage::CountSource::Backend => UsageSource::Backend,
            usage::CountSource::Estimated => UsageSource::Estimated,
            usage::CountSource::None => UsageSource::None,
        };
        row.tokens = tokens(&usage);
    }
}

fn tokens(usage: &Usage) -> TokenCounts {
    let count = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    TokenCounts {
        input: count(usage.input),
        cached: count(usage.cached),
        cache_write: count(usage.cache_write),
        output: count(usage.output),
        reasoning: count(usage.reasoning),
    }
}
