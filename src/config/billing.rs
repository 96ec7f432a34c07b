//! `billing:` of a model: the price plan. What the table can't say is said by
//! `pricing::PlanDraft`, as for `PUT /api/billing/{model}`.

use llm_manager_policy::pricing::{Plan, PlanDraft, PlanMistake, PlanProblem, TierDraft};
use serde_yaml::Value;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::line_index::KeyPath;

/// The plan, if there is one without a mistake.
pub(super) fn read(walk: &mut Walk<'_>, model: &Fields<'_>) -> Option<Plan> {
    let value = model.value("billing")?;
    let fields = walk.fields(Section::Billing, &model.at("billing"), value);
    walk.refuse_unknown(&fields);
    let mut tiers = Vec::new();
    for (index, value) in fields.value("tiers").and_then(Value::as_sequence).into_iter().flatten().enumerate()
    {
        let tier = walk.fields(Section::Tier, &fields.at("tiers").item(index), value);
        walk.refuse_unknown(&tier);
        tiers.push(tier);
    }
    let draft = PlanDraft {
        method: fields.text("method").unwrap_or_default().to_ascii_lowercase(),
        currency: fields.text("currency").unwrap_or_default().to_owned(),
        cache_pricing: fields.flag("cache_pricing"),
        tiers: tiers.iter().map(tier).collect(),
        per_hour: text(&fields, "per_hour"),
        parked_per_hour: text(&fields, "parked_per_hour"),
    };
    match draft.build() {
        Ok(plan) => Some(plan),
        Err(problems) => {
            for problem in problems {
                tell(walk, &fields, &tiers, &problem);
            }
            None
        }
    }
}

fn tier(fields: &Fields<'_>) -> TierDraft {
    TierDraft {
        max_input: fields.whole("max_input"),
        max_output: fields.whole("max_output"),
        input: text(fields, "input"),
        output: text(fields, "output"),
        cache_read: text(fields, "cache_read"),
        cache_write: text(fields, "cache_write"),
    }
}

fn text(fields: &Fields<'_>, name: &str) -> Option<String> {
    fields.text(name).map(str::to_owned)
}

/// Tells a problem of the draft, unless the table has told it already.
fn tell(walk: &mut Walk<'_>, plan: &Fields<'_>, tiers: &[Fields<'_>], problem: &PlanProblem) {
    let (index, key) = place(&problem.at);
    let Some(fields) = index.map_or(Some(plan), |index| tiers.get(index)) else { return };
    let is_misfit = fields.is_given(key) && fields.value(key).is_none();
    let is_told = match problem.wrong {
        // A method that is none leaves open what else there should be.
        PlanMistake::Method | PlanMistake::Decimal(_) => true,
        PlanMistake::Missing => is_misfit || fields.is_required(key),
        _ => is_misfit,
    };
    if is_told || !fields.is_mapping {
        return;
    }
    let path: KeyPath = if key.is_empty() { fields.path.clone() } else { fields.at(key) };
    let hint = match problem.wrong {
        PlanMistake::Missing if key == "cache_read" => Some("with cache_pricing, cached tokens want a price"),
        PlanMistake::Missing => Some("write a decimal in quotes, such as \"1.50\""),
        PlanMistake::Unexpected => Some("a plan is tiered, with `tiers`, or hourly, with `per_hour`"),
        PlanMistake::NoTiers => Some("write it like tiers: [{input: \"0.8\", output: \"2\"}]"),
        _ => None,
    };
    walk.error(&path, problem.wrong.to_string(), hint.map(str::to_owned));
}

/// The tier and the key in `tiers[2].input`; no tier in `per_hour`.
fn place(at: &str) -> (Option<usize>, &str) {
    let tier = at.strip_prefix("tiers[").and_then(|rest| rest.split_once(']'));
    match tier.and_then(|(index, key)| Some((index.parse().ok()?, key))) {
        Some((index, key)) => (Some(index), key.trim_start_matches('.')),
        None => (None, at),
    }
}
