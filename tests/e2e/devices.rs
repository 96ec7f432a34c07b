//! Devices, placement and making room: issue 3 against the real program.
//!
//! Devices are scripts (`world::Gpus`) whose memory is what the test says, plus what the living fake backends
//! are said to use; or a fake NVML (`nvidia::Cards`) that the manager loads in place of the driver's.

mod api;
mod cards;
mod checkpoint;
mod classes;
mod energy;
mod estimate;
mod goodwill;
mod memory;
mod nvidia;
mod parking;
mod plugins;
mod queue;
mod read_ahead;
mod replicas;
mod restarts;
mod room;
mod sharing;
mod statement;
mod turns;
mod variants;
mod world;
