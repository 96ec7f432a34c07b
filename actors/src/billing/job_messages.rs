//! Orders to the actor that are jobs: each is queued, and answered when it is done.

use super::actor::Billing;
use super::jobs::{DeleteModel, JobReply, LedgerJob, ReadPrices, RenameModel, SetPlan};
use actix::{Context, Handler, ResponseFuture};
use llm_manager_ledger::{Deleted, RenameResult, StoreError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Queues a job and waits for its answer.
fn ask<T: 'static>(
    billing: &mut Billing,
    ctx: &mut Context<Billing>,
    job: impl FnOnce(JobReply<T>) -> LedgerJob,
) -> ResponseFuture<Result<T, StoreError>> {
    let (reply, answer) = oneshot::channel();
    billing.queue_job(job(reply), ctx);
    Box::pin(async move {
        match actix_rt::time::timeout(PATIENCE, answer).await {
            Ok(answer) => {
                answer.unwrap_or_else(|_| Err(StoreError::Other("billing was restarted; try again".into())))
            }
            Err(_) => {
                let text = "the change was not made within 10 s, and may still be; look before you try again";
                Err(StoreError::Silent(text.into()))
            }
        }
    })
}

impl Handler<SetPlan> for Billing {
    type Result = ResponseFuture<Result<i64, StoreError>>;

    fn handle(&mut self, set: SetPlan, ctx: &mut Context<Self>) -> Self::Result {
        ask(self, ctx, |reply| LedgerJob::SetPlan(set, reply))
    }
}

impl Handler<ReadPrices> for Billing {
    type Result = ();

    fn handle(&mut self, _: ReadPrices, ctx: &mut Context<Self>) {
        self.queue_job(LedgerJob::Prices, ctx);
    }
}

impl Handler<DeleteModel> for Billing {
    type Result = ResponseFuture<Result<Deleted, StoreError>>;

    fn handle(&mut self, delete: DeleteModel, ctx: &mut Context<Self>) -> Self::Result {
        ask(self, ctx, |reply| LedgerJob::Delete(delete, reply))
    }
}

impl Handler<RenameModel> for Billing {
    type Result = ResponseFuture<Result<RenameResult, StoreError>>;

    fn handle(&mut self, rename: RenameModel, ctx: &mut Context<Self>) -> Self::Result {
        ask(self, ctx, |reply| LedgerJob::Rename(rename, reply))
    }
}
