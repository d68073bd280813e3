//! W3C trace context: which trace a request belongs to.

use axum::http::HeaderMap;

/// What a request's `traceparent` says, or a trace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, the same in every program that it passes through. Never zero.
    pub trace: u128,
    /// The caller's span. `None` when the trace begins here.
    pub parent: Option<u64>,
    /// Whether the caller records the trace.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Reads `traceparent`; a trace that begins here if it is missing, invalid, or there twice.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all("traceparent").iter();
        let given = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok().and_then(parse),
            _ => None,
        };
        given.unwrap_or_else(|| Self {
            trace: fastrand::u128(1..),
            parent: None,
            is_sampled: false,
        })
    }

    /// The trace's id as 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

/// `version-trace-span-flags`. What later versions may add after the flags is not looked at, as the
/// standard wants it.
fn parse(text: &str) -> Option<TraceContext> {
    let mut parts = text.splitn(5, '-');
    let mut part = |digits: usize| parts.next().filter(|part| is_hex(part, digits));
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let has_more = parts.next().is_some();
    if version == "ff" || (version == "00" && has_more) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
    let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some(TraceContext { trace, parent: Some(span), is_sampled: flags & 1 == 1 })
}

/// Lower case only: others are invalid by the standard.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(values: &[&str]) -> TraceContext {
        let values = values.iter().map(|v| ("traceparent".parse().unwrap(), v.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            let _more = headers.append::<axum::http::HeaderName>(name, value);
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn a_valid_parent_is_honoured() {
        for (text, is_sampled) in [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), true),
            (format!("00-{TRACE}-00f067aa0ba902b7-02"), false),
            (format!("cc-{TRACE}-00f067aa0ba902b7-03"), true),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes"), true),
        ] {
            let context = of(&[&text]);
            assert_eq!(context.trace_id(), TRACE);
            assert_eq!(
                (context.parent, context.is_sampled),
                (Some(0x00f0_67aa_0ba9_02b7), is_sampled)
            );
        }
    }

    #[test]
    fn an_invalid_parent_is_replaced_by_a_trace_of_its_own() {
        let upper = TRACE.to_uppercase();
        for text in [
            "",
            "00",
            &format!("00-{TRACE}-00f067aa0ba902b7"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            &format!("00-{TRACE}-00f067aa0ba902b7-1"),
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("00-{upper}-00f067aa0ba902b7-01"),
            &format!("00-{TRACE}-0000000000000000-01"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let (one, two) = (of(&[text]), of(&[text]));
            assert_ne!((one.trace, one.trace_id().as_str()), (two.trace, TRACE), "{text}");
            assert_eq!(one.parent, None, "{text}");
        }
        let valid = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(of(&[&valid, &valid]).parent, None);
    }
}
