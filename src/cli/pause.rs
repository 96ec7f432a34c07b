//! `pause` and `resume`: "not now" for a device.

use super::client::{ManagerClient, segment};
use awc::http::Method;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

#[derive(Deserialize)]
struct Paused {
    name: String,
    paused_until: Option<Timestamp>,
}

/// A week, in minutes.
const LONGEST: f64 = 7.0 * 24.0 * 60.0;

/// `90s`, `30m`, `2h` or `1d` in minutes.
pub(super) fn minutes(text: &str) -> Result<f64, String> {
    let wrong = |_| "write it as 30m, 2h or 1d".to_owned();
    let length: SignedDuration = match text.strip_suffix('d').map(str::parse::<f64>) {
        Some(Ok(days)) => SignedDuration::try_from_secs_f64(days * 86_400.0).map_err(wrong)?,
        _ => text.parse().map_err(wrong)?,
    };
    match length.as_secs_f64() / 60.0 {
        minutes if minutes > LONGEST => Err("a pause lasts for a week at the most: 7d".to_owned()),
        minutes if minutes > 0.0 => Ok(minutes),
        _ => Err("write it as 30m, 2h or 1d".to_owned()),
    }
}

/// Pauses, or resumes without minutes; what is to be printed.
pub(super) async fn run(
    manager: &ManagerClient,
    device: &str,
    minutes: Option<f64>,
) -> Result<String, String> {
    let verb = minutes.map_or_else(|| "resume".to_owned(), |minutes| format!("pause?minutes={minutes}"));
    let path = format!("/api/devices/{}/{verb}", segment(device));
    let paused: Vec<Paused> = manager.ask_json(Method::POST, &path).await?;
    let line = |one: &Paused| match one.paused_until {
        Some(until) => {
            let until = until.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M");
            format!("{}: paused until {until}; no model may use it", one.name)
        }
        None => format!("{}: models may use it", one.name),
    };
    Ok(paused.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::minutes;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, expected) in [("30m", 30.0), ("2h", 120.0), ("1d", 1440.0), ("90s", 1.5), ("1h30m", 90.0)]
        {
            assert_eq!(minutes(text), Ok(expected), "{text}");
        }
        for text in ["", "soon", "30", "-5m", "0m", "NaNd", "8d"] {
            assert!(minutes(text).is_err(), "{text}");
        }
    }
}
