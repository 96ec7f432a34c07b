//! W3C Trace Context: whose trace a request belongs to, as its `traceparent` says.

/// A span that another belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Of the trace.
    pub trace: [u8; 16],
    /// Of the span.
    pub span: [u8; 8],
    /// Whether whoever began the trace records it.
    pub sampled: bool,
}

impl Parent {
    /// Reads a `traceparent`; `None`: it is malformed.
    pub fn read(traceparent: &str) -> Option<Self> {
        let trace = trace_id(traceparent)?;
        let mut rest = traceparent.split('-').skip(2);
        let (span, flags) = (rest.next()?, rest.next()?);
        Some(Self {
            trace: u128::from_str_radix(trace, 16).ok()?.to_be_bytes(),
            span: u64::from_str_radix(span, 16).ok()?.to_be_bytes(),
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        })
    }

    /// As a `traceparent`.
    pub fn header(&self) -> String {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

/// The id of the trace in a `traceparent`; `None`: it is malformed.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // A later version may add fields; the first one may not.
    let fits = is_hex(version, 2)
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none());
    let is_something = |id: &str| id.bytes().any(|digit| digit != b'0');
    (fits && is_something(trace) && is_something(parent)).then_some(trace)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_written_as_it_was_read() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = Parent::read(text).unwrap();
        assert_eq!((parent.sampled, parent.span[1], parent.header().as_str()), (true, 0xf0, text));
        let not = Parent::read(&text.replace("-01", "-02")).unwrap();
        assert_eq!((not.sampled, not.header()), (false, text.replace("-01", "-00")));
        let flags = |flags: &str| Parent::read(&text.replace("-01", flags)).map(|parent| parent.sampled);
        assert_eq!([flags("-00"), flags("-03")], [Some(false), Some(true)]);
        assert_eq!(Parent::read("00-no"), None);
    }

    #[test]
    fn malformed_headers_name_no_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let with = |text: &str| text.replace('T', trace).replace('P', "00f067aa0ba902b7");
        for good in ["00-T-P-01", "00-T-P-00", "cc-T-P-01-more"] {
            assert_eq!(trace_id(&with(good)), Some(trace), "{good}");
        }
        let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        for wrong in ["", "00", "ff-T-P-01", "00-T-P-01-more", "00-T-P", "0-T-P-01", "00-TT-P-01", &zeros] {
            assert_eq!(trace_id(&with(wrong)), None, "{wrong}");
        }
        assert_eq!(trace_id(&with("00-T-P-01").to_uppercase()), None);
    }
}
