//! Prices: in force at once, fixed at the end of a request, never changed afterwards.

use super::super::{DeleteModel, RenameModel, SetPlan};
use super::*;
use llm_manager_ledger::{Outcome, PageQuery, PlanSource, Pricing, StoreError, now_us};
use llm_manager_policy::pricing::{Currency, Plan, Price, Tier};

/// Prices per million tokens; up to 1000 tokens of input.
fn tiered(input: &str, output: &str) -> Plan {
    let price = |text: &str| text.parse::<Price>().unwrap();
    let tier = Tier { max_input: Some(1000), input: price(input), output: price(output), ..Tier::default() };
    Plan::Tiered { currency: Currency::new("CNY").unwrap(), cache_pricing: false, tiers: vec![tier] }
}

fn set(plan: Option<Plan>, valid_from: Option<i64>) -> SetPlan {
    SetPlan { model: name("m"), plan, valid_from, source: PlanSource::Api }
}

/// A request that ends now.
fn ending_now(input: i64) -> RequestRow {
    let mut row = request("m", 0);
    row.started_us = now_us() - SECOND;
    row.tokens.input = Some(input);
    row
}

#[test]
fn a_request_costs_what_was_in_force_when_it_ended() {
    everywhere(|place| {
        run(async {
            let running = Running::start(place);
            let addr = running.addr().await;
            let count = std::cell::Cell::new(0);
            let record = |row: RequestRow| {
                count.set(count.get() + 1);
                running.ledger.record(RequestRow { request_id: format!("r{}", count.get()), ..row });
            };
            record(ending_now(100));
            let first = addr.send(set(Some(tiered("0.8", "2")), None)).await.unwrap().unwrap();
            record(ending_now(100));
            record(ending_now(5000));
            record(RequestRow { tokens: TokenCounts::default(), ..ending_now(0) });
            record(RequestRow { outcome: Outcome::Refused("queue_full".into()), ..ending_now(0) });
            let second = addr.send(set(Some(tiered("8", "20")), None)).await.unwrap().unwrap();
            record(ending_now(100));
            // Still the first one's: it ended before.
            let changed = running.ledger.prices().history("m")[1].valid_from;
            record(RequestRow { started_us: changed - SECOND - 1, ..ending_now(100) });
            addr.send(set(None, None)).await.unwrap().unwrap();
            record(ending_now(100));
            running.flush().await;
            let query = PageQuery { limit: 100, ..PageQuery::default() };
            let page = running.ledger.reader().requests(query).await.unwrap();
            let mut rows: Vec<_> = page.rows.into_iter().map(|view| view.row).collect();
            // In the order in which they were recorded.
            rows.sort_by(|one, other| one.request_id.cmp(&other.request_id));
            let priced: Vec<_> = rows.iter().map(|row| (row.pricing, row.cost, row.plan_id)).collect();
            // 100 x 0.8 + 10 x 2 per million, in 10^-12.
            assert_eq!(
                priced,
                [
                    (Pricing::NoPlan, None, None),
                    (Pricing::Priced, Some(100_000_000), Some(first)),
                    (Pricing::NoTier, Some(0), Some(first)),
                    (Pricing::NoCounts, None, Some(first)),
                    (Pricing::NoPlan, None, None),
                    (Pricing::Priced, Some(1_000_000_000), Some(second)),
                    (Pricing::Priced, Some(100_000_000), Some(first)),
                    (Pricing::NoPlan, None, None),
                ]
            );
            let report = running.ledger.reader().summary(Filter::default(), 0, 2 * MARCH, vec![]);
            let total = report.await.unwrap().total;
            assert_eq!(total.cost["CNY"].to_string(), "0.0012");
            assert_eq!((total.unpriced, total.unrecorded), (2, 1));
            running.close().await;
        });
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn plans_survive_a_restart_and_cannot_begin_in_the_past() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        let addr = running.addr().await;
        let past = addr.send(set(Some(tiered("1", "1")), Some(now_us() - SECOND))).await.unwrap();
        assert!(matches!(past, Err(StoreError::Refused(_))), "{past:?}");
        assert_eq!(running.ledger.status().last_error, None);
        let soon = now_us() + 3600 * SECOND;
        addr.send(set(Some(tiered("1", "1")), None)).await.unwrap().unwrap();
        addr.send(set(Some(tiered("2", "2")), Some(soon))).await.unwrap().unwrap();
        running.close().await;
        drop(running);
        let again = Running::start(&place);
        let prices = again.ledger.prices();
        assert_eq!(prices.at("m", now_us()).unwrap().plan, Some(tiered("1", "1")));
        assert_eq!(prices.at("m", soon).unwrap().plan, Some(tiered("2", "2")));
        assert_eq!(prices.at("m", 0), None);
        assert_eq!(prices.history("m").len(), 2);
        again.close().await;
    });
}

#[test]
fn prices_follow_a_renaming_and_a_deletion() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        let addr = running.addr().await;
        addr.send(set(Some(tiered("1", "1")), None)).await.unwrap().unwrap();
        running.ledger.record(ending_now(1));
        running.flush().await;
        let renamed =
            addr.send(RenameModel { old: "m".into(), new: "n".into(), merge: false }).await.unwrap().unwrap();
        assert!(!renamed.merged);
        let prices = running.ledger.prices();
        assert!(prices.at("m", now_us()).is_none() && prices.at("n", now_us()).is_some());
        let deleted = addr.send(DeleteModel { model: "n".into(), configured: false }).await.unwrap().unwrap();
        assert_eq!(deleted.rows, 1);
        assert!(running.ledger.prices().at("n", now_us()).is_none());
        let reader = running.ledger.reader();
        while reader.storage().await.unwrap().deleting > 0 {
            actix_rt::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(running.count().await, 0);
    });
}
