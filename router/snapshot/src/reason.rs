//! Why a request did not simply get the answer of a server: one fixed list, for access log, metrics and `Proxy-Status`.
//!
//! Names are part of the interface with operators: one may be added, none may change its meaning.

/// Declares the reasons once: the enum, [`Reason::ALL`] and [`Reason::as_str`] cannot drift apart.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why the router answered by itself, or what cut a response short.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of [`Reason::index`].
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As log, metrics and `Proxy-Status` say it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// No HTTP at all, or a head that breaks its grammar.
    MalformedHead = "malformed_head",
    /// The head did not come in time.
    HeadTimeout = "head_timeout",
    /// Bytes or fields of the head are too many.
    HeadTooLarge = "head_too_large",
    /// Too many clients are connected.
    Overloaded = "overloaded",
    /// Missing, doubled, or no host.
    InvalidHost = "invalid_host",
    /// A request target in a form that is not served here.
    InvalidTarget = "invalid_target",
    /// A longer target than is taken here.
    TargetTooLong = "target_too_long",
    /// A path without a normal form.
    InvalidPath = "invalid_path",
    /// A field name with an underscore, where the listener refuses it.
    InvalidFieldName = "invalid_field_name",
    /// A transfer coding in a place where it cannot be.
    InvalidFraming = "invalid_framing",
    /// A transfer coding that is not known here.
    UnknownCoding = "unknown_coding",
    /// An expectation that is not known here.
    UnknownExpectation = "unknown_expectation",
    /// A method that is not served here.
    MethodRefused = "method_refused",
    /// The request came through this router before.
    LoopDetected = "loop_detected",
    /// A fault of this program ended the request.
    Panicked = "panicked",
    /// The body ended before its end, or breaks its grammar.
    BodyBroken = "body_broken",
    /// The body stood still for too long.
    BodyIdle = "body_idle",
    /// The body is larger than its route allows.
    BodyTooLarge = "body_too_large",
    /// The client, by its key, asked too often.
    RateLimited = "rate_limited",
    /// Too many requests of the route are in flight.
    RouteBusy = "route_busy",
    /// No route matches.
    NoRoute = "no_route",
    /// The route redirects.
    Redirect = "redirect",
    /// A browser asked whether another request would be allowed.
    CorsPreflight = "cors_preflight",
    /// A plugin answered.
    PluginResponse = "plugin_response",
    /// A plugin failed, and its policy is `closed`.
    PluginFailed = "plugin_failed",
    /// The upstream has no server that may be asked.
    NoHealthyServer = "no_healthy_server",
    /// Too many requests to the upstream failed: for a while none is sent.
    BreakerOpen = "breaker_open",
    /// Too many requests wait for a connection to the upstream.
    UpstreamBusy = "upstream_busy",
    /// No server could be connected to.
    ConnectionRefused = "connection_refused",
    /// No server could be connected to in time.
    ConnectionTimeout = "connection_timeout",
    /// The server closed the connection instead of answering.
    ConnectionTerminated = "connection_terminated",
    /// What the server sent is no answer.
    MalformedResponse = "malformed_response",
    /// The server did not begin to answer in time.
    FirstByteTimeout = "first_byte_timeout",
    /// One attempt took longer than its route allows.
    PerTryTimeout = "per_try_timeout",
    /// A server's answer was passed on that would have been tried again, had the upstream's budget allowed it.
    RetryBudgetExhausted = "retry_budget_exhausted",
    /// The request took longer than its route allows.
    RequestTimeout = "request_timeout",
    /// The server broke its response off.
    ResponseTruncated = "response_truncated",
    /// The server stood still in the middle of its response.
    ResponseIdle = "response_idle",
    /// The client left before its response was out.
    ClientGone = "client_gone",
    /// The client took nothing of its response for too long.
    ClientStalled = "client_stalled",
}

impl Reason {
    /// Its place in [`Reason::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_its_place_and_a_name_of_its_own() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            // A token of RFC 9110: it stands in a quoted string of `Proxy-Status` and in a label as it is.
            assert!(reason.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{reason:?}");
        }
        let names: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
