//! How long one placement decision takes with 200 models on 8 devices, where victims have to be chosen.
//!
//! `cargo run --release -p llm-manager-policy --example decide_speed`

#![expect(clippy::print_stdout, reason = "an example that prints its result")]

use llm_manager_policy::devices::{BadRequirement, Device, DeviceSnapshot, Requirement};
use llm_manager_policy::placement::{
    Decision, Demand, HeldPart, Need, PlacementSettings, Resident, ResidentState, Variant, World, decide,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

const DEVICES: usize = 8;
const MODELS: u64 = 200;
const ROUNDS: u32 = 20_000;
const NOW: Duration = Duration::from_secs(100_000);

fn device(at: usize) -> Device {
    let name = if at < DEVICES / 2 { "NVIDIA GeForce RTX 3090" } else { "Tesla V100-SXM2-32GB" };
    Device {
        total_mib: Some(200_000),
        used_mib: Some(195_000),
        pci: Some(format!("0000:{at:02x}:00.0")),
        ..Device::new(&format!("GPU-{at:08x}-0000-0000-0000-000000000000"), name, "nvidia")
    }
}

fn held(devices: &[Device], at: u64) -> Resident {
    // A fixed, uneven spread of sizes, idle times and reload times.
    let mix = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let part = |skip: u64| {
        let device = devices.iter().cycle().nth(usize::try_from(at + skip).unwrap_or(0));
        HeldPart {
            device: device.map_or_else(|| "".into(), |device| device.id.clone()),
            mib: 4000 + (mix >> skip) % 1500,
            actual: Some(4000 + (mix >> skip) % 1400),
            unexplained_before: None,
        }
    };
    let parts = if at.is_multiple_of(5) { vec![part(0), part(1)] } else { vec![part(0)] };
    let idle_since = NOW - Duration::from_secs(mix % 7000);
    let standing = ResidentState::Ready { since: Duration::ZERO, busy: mix.is_multiple_of(3), idle_since };
    let reload = Some(Duration::from_millis(2000 + mix % 60_000));
    Resident {
        standing,
        pinned: at.is_multiple_of(40),
        reload,
        ..Resident::new(format!("model-{at}").into(), parts)
    }
}

fn variant(name: &str, needs: &[(&str, u64)]) -> Result<Variant, BadRequirement> {
    let need = |(text, mib): &(&str, u64)| Ok(Need { requirement: Requirement::parse(text)?, mib: *mib });
    Ok(Variant { name: name.into(), needs: needs.iter().map(need).collect::<Result<_, _>>()? })
}

fn main() -> Result<(), BadRequirement> {
    let devices: Vec<Device> = (0..DEVICES).map(device).collect();
    let held: Vec<Resident> = (0..MODELS).map(|at| held(&devices, at)).collect();
    let snapshot = DeviceSnapshot { devices, taken_at: Some(NOW) };
    let settings = PlacementSettings::default();
    let world = World { now: NOW, snapshot: &snapshot, held: &held, settings: &settings, dated: false };
    let cases = [
        ("one device, ten victims", vec![variant("one", &[("v100", 60_000)])?]),
        ("two named devices", vec![variant("two", &[("rtx 3090", 40_000), ("v100", 40_000)])?]),
        ("2x of four equal devices", vec![variant("twice", &[("2x rtx 3090", 40_000)])?]),
        (
            "three variants, the last fits",
            vec![
                variant("absent", &[("a100", 60_000)])?,
                variant("too large", &[("v100", 199_000)])?,
                variant("small", &[("v100", 10_000)])?,
            ],
        ),
        ("fits", vec![variant("tiny", &[("v100", 0)])?]),
    ];
    for (name, variants) in cases {
        let demand = Demand::new("asker".into(), variants.into());
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                black_box(decide(black_box(&world), black_box(&demand)));
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        let median = times.get(times.len() / 2).map_or(0, Duration::as_nanos);
        let high = times.get(times.len() * 99 / 100).map_or(0, Duration::as_nanos);
        let answer = match decide(&world, &demand) {
            Decision::Fits { .. } => "fits".to_owned(),
            Decision::Evict { victims, cost, .. } => format!("{} victims, cost {cost}", victims.len()),
            Decision::Wait { blockers, .. } => format!("waits for {}", blockers.len()),
            Decision::Never { reason } => reason.to_string(),
        };
        println!("{name:<32} {median:>8} ns median {high:>8} ns p99   {answer}");
    }
    Ok(())
}
