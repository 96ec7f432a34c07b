//! `llm-manager checkpoint`: the helper in which the manager calls NVIDIA's driver, see `devices::cuda`.

use clap::{Args, ValueEnum};
use llm_manager_devices::cuda::{self, CheckpointError};
use llm_manager_policy::checkpoint::{PARK, UNFINISHED, WAKE};
use std::time::Duration;

#[derive(Args)]
pub(super) struct CheckpointOrder {
    /// What to do.
    #[arg(value_enum)]
    order: Order,
    /// How long it may take, in milliseconds.
    limit_ms: u64,
    /// The processes.
    #[arg(required = true)]
    pids: Vec<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Order {
    /// Checkpoint those that use CUDA, and print which those are.
    #[value(name = PARK)]
    Park,
    /// Restore them.
    #[value(name = WAKE)]
    Wake,
}

impl CheckpointOrder {
    pub(super) fn run(&self) -> Result<String, CheckpointError> {
        let order = match self.order {
            Order::Park => cuda::CheckpointAction::Park,
            Order::Wake => cuda::CheckpointAction::Wake,
        };
        let pids = cuda::carry_out(order, &self.pids, Duration::from_millis(self.limit_ms))?;
        Ok(pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))
    }
}

/// Says whether the processes are as they were.
pub(super) const fn exit_code(refusal: &CheckpointError) -> u8 {
    if refusal.undone { 1 } else { UNFINISHED }
}
