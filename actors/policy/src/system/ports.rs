//! Ports that Windows keeps for Hyper-V, WSL and containers: binding them is refused, though nobody listens.

use std::ops::RangeInclusive;

/// Reads what `netsh interface ipv4 show excludedportrange protocol=tcp` prints, in whatever language: lines
/// with a first and a last port. A `*` behind them says that an administrator has excluded them.
#[must_use]
pub fn excluded_ports(text: &str) -> Vec<RangeInclusive<u16>> {
    let range = |line: &str| {
        let mut words = line.split_whitespace();
        let first = words.next()?.parse().ok()?;
        let last = words.next()?.parse().ok()?;
        let rest_is_a_mark = words.all(|word| word == "*");
        (rest_is_a_mark && first <= last).then_some(first..=last)
    };
    text.lines().filter_map(range).collect()
}
