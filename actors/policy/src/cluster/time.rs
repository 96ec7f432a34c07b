//! Time: Slurm's spellings of a stretch of time.

use std::time::Duration;

/// What `--time` takes and `squeue` prints: `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours`, `days-hours:minutes` or
/// `days-hours:minutes:seconds`; `None`: it is no limit (`UNLIMITED`, say).
pub fn time_limit(text: &str) -> Option<Duration> {
    let (days, rest) = match text.trim().split_once('-') {
        Some((days, rest)) => (Some(number(days)?), rest),
        None => (None, text.trim()),
    };
    let parts = rest.split(':').map(number).collect::<Option<Vec<u64>>>()?;
    let (hours, minutes, seconds) = match (days, &parts[..]) {
        (Some(_), [hours]) => (*hours, 0, 0),
        (Some(_), [hours, minutes]) => (*hours, *minutes, 0),
        (None, [minutes]) => (0, *minutes, 0),
        (None, [minutes, seconds]) => (0, *minutes, *seconds),
        (_, [hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        _ => return None,
    };
    let whole = days.unwrap_or(0).checked_mul(24)?.checked_add(hours)?.checked_mul(60)?;
    let whole = whole.checked_add(minutes)?.checked_mul(60)?.checked_add(seconds)?;
    Some(Duration::from_secs(whole))
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_spelling_is_so_long() {
        let cases = [
            ("90", Some(5400)),
            ("0:20", Some(20)),
            ("90:05", Some(5405)),
            ("8:00:00", Some(28_800)),
            ("1-2", Some(93_600)),
            ("1-2:30", Some(95_400)),
            ("1-02:30:05", Some(95_405)),
            ("", None),
            ("-5", None),
            ("1:2:3:4", None),
            ("1-", None),
            ("UNLIMITED", None),
            ("infinite", None),
            ("NOT_SET", None),
            ("+5", None),
            ("99999999999999999999", None),
            ("9999999999999999999", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(time_limit(text).map(|time| time.as_secs()), seconds, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_squeue_prints_is_read(seconds in 0_u64..100_000_000) {
            let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
            let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
            let text = match (days, hours) {
                (0, 0) => format!("{minutes}:{rest:02}"),
                (0, _) => format!("{hours}:{minutes:02}:{rest:02}"),
                _ => format!("{days}-{hours:02}:{minutes:02}:{rest:02}"),
            };
            prop_assert_eq!(time_limit(&text), Some(Duration::from_secs(seconds)));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,20}|[0-9:-]{0,20}") {
            let _ = time_limit(&text);
        }
    }
}
