//! The trait that an author implements, and what its methods are given.

use crate::{Activation, Fields, Outcome, RequestField, ResponseField, SizeUnit, Verdict};

/// One plugin instance: what it computed from its configuration and state. The host calls it from one thread, one call
/// at a time, and only in the phases and for the requests that its [`Activation`] names.
///
/// Nothing of a request may be kept here: its response phase may run on another instance. What must travel from phase
/// to phase goes into [`Verdict::with_ctx`].
pub trait Plugin: Sized + 'static {
    /// Builds the instance from the JSON object that the policy file gives it.
    ///
    /// # Errors
    /// A line for the operator, who reads it as the reason why the policy was refused.
    fn init(config: &str) -> Result<(Self, Activation), String>;

    /// A declared state key has a new value, or no value any more. Runs before the next request.
    ///
    /// # Errors
    /// A line for the operator. The instance must then still hold its old state.
    fn on_state(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let _ = (key, value);
        Ok(())
    }

    /// The head of a request, before a server is picked.
    fn on_request(&mut self, request: &Request<'_>, outcome: &mut Outcome) -> Verdict {
        let _ = (request, outcome);
        Verdict::next()
    }

    /// A request body is larger than the activation's limit. At most once per request.
    fn on_body_size(&mut self, size: &BodySize, outcome: &mut Outcome) -> Verdict {
        let _ = (size, outcome);
        Verdict::next()
    }

    /// The next bytes of a request body, as they arrive; the server may have got them already. `Verdict::done()` = no
    /// more chunks of this body.
    fn on_body_chunk(&mut self, chunk: &BodyChunk<'_>, outcome: &mut Outcome) -> Verdict {
        let _ = (chunk, outcome);
        Verdict::next()
    }

    /// The head of the response.
    fn on_response(&mut self, response: &ResponseHead<'_>, outcome: &mut Outcome) -> Verdict {
        let _ = (response, outcome);
        Verdict::next()
    }
}

/// The head of a request, as far as the activation asked for it. Reading a field copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Request<'call> {
    pub(crate) fields: Fields<'call>,
    /// Unix time, in milliseconds.
    pub now_ms: u64,
    /// Fresh for each call.
    pub random: u64,
}

impl<'call> Request<'call> {
    /// The bytes of a field as they came over the wire; `None` = absent.
    #[must_use]
    pub fn bytes(&self, field: RequestField) -> Option<&'call [u8]> {
        self.fields.value(field.0)
    }

    /// A field as text; `None` = absent or not UTF-8.
    #[must_use]
    pub fn text(&self, field: RequestField) -> Option<&'call str> {
        self.bytes(field).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// The head of a response, as far as the activation asked for it.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'call> {
    pub(crate) fields: Fields<'call>,
    /// What an earlier phase of this request left; 0 if it left nothing.
    pub ctx: u32,
}

impl<'call> ResponseHead<'call> {
    /// The bytes of a field as they came over the wire; `None` = absent.
    #[must_use]
    pub fn bytes(&self, field: ResponseField) -> Option<&'call [u8]> {
        self.fields.value(field.0)
    }

    /// A field as text; `None` = absent or not UTF-8.
    #[must_use]
    pub fn text(&self, field: ResponseField) -> Option<&'call str> {
        self.bytes(field).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// The size at which a request body passed the activation's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySize {
    /// What an earlier phase of this request left; 0 if it left nothing.
    pub ctx: u32,
    /// Bytes seen so far, or announced.
    pub bytes: u64,
    /// What was counted.
    pub unit: SizeUnit,
    /// It is the Content-Length: no byte of the body was read, and no server is picked yet.
    pub declared: bool,
}

/// Some bytes of a request body. Their length follows the network, not the sender: a plugin that searches for something
/// has to expect it cut in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyChunk<'call> {
    /// What an earlier phase of this request left, or the chunk before; 0 if they left nothing.
    pub ctx: u32,
    /// The bytes; none, if the body ended without any after the last chunk.
    pub bytes: &'call [u8],
    /// Where in the body they begin, in bytes.
    pub offset: u64,
    /// The body ends here, or no more of it is shown.
    pub is_last: bool,
}
