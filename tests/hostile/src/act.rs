//! Each way to misbehave, by its name in the configuration; where it strikes is said in `perform`.

use serde::Deserialize;

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    // Behaves.
    /// Nothing at all.
    Nothing,
    /// Adds 1 to the counter `requests`.
    Count,
    /// Adds the length of each chunk to the counter `bytes`.
    CountChunks,
    /// Tags the request `hostile`.
    Tag,
    /// Logs one line in the request phase.
    Log,
    /// Raises an alert.
    Alert,
    /// Raises an alert that stops the rollout.
    Abort,
    /// Answers 418.
    Respond,
    /// Answers 418 at the first chunk of the body.
    RespondInBodyChunk,
    /// Answers 418 at the last chunk of the body, with the number of its bytes.
    RespondInLastChunk,
    /// Wants no more chunks after the first one, and traps if it gets one.
    DoneAfterOneChunk,
    /// Sets `x-edited` in the request and in the response, removes `x-removed`.
    Edit,
    /// Sends every request to `/get?edited=1`.
    EditPath,
    /// Turns every status into 299.
    EditStatus,
    // Never returns.
    SpinInInit,
    SpinInState,
    SpinInRequest,
    SpinInBodySize,
    SpinInBodyChunk,
    SpinInResponse,
    // Traps.
    TrapInInit,
    TrapInState,
    TrapInRequest,
    TrapInBodySize,
    TrapInBodyChunk,
    TrapInResponse,
    // Says no.
    RefuseInit,
    /// Refuses every value but `none`.
    RefuseState,
    // Takes too much.
    /// Hoards memory in the request phase.
    HoardMemory,
    /// Hoards memory in `init`.
    HoardMemoryInInit,
    /// Hoards a little more at each request.
    GrowSlowly,
    /// Calls itself for ever.
    OverflowStack,
    /// Answers with 8 MiB.
    HugeOutcome,
    /// Answers with 1 GiB.
    GiganticBody,
    /// An alert whose message has 1 MiB.
    HugeText,
    TooManyEffects,
    TooManyEdits,
    LogFlood,
    /// As many alerts as one call may raise.
    AlertFlood,
    /// As many aborts as one call may raise.
    AbortFlood,
    // Returns nonsense.
    NonsenseVerdict,
    BadVariantIndex,
    /// Chooses a variant in the response phase.
    VariantInResponse,
    /// Says `done` in the request phase.
    DoneInRequest,
    /// Says `done` in the response phase.
    DoneInResponse,
    /// Answers with status 199.
    BadStatus,
    /// CR and LF in a response header.
    HeaderInjection,
    /// Sets hop-by-hop and framing headers.
    FramingHeaders,
    /// CR and LF in a header that it edits.
    EditInjection,
    /// CR and LF in a path that it edits.
    PathInjection,
    /// A path with dot segments.
    PathNotNormal,
    EditHost,
    EditContentLength,
    /// Edits the status in the response phase to 999.
    EditStatus999,
    /// Edits the status in the request phase.
    EditStatusInRequest,
    /// Edits the path in the response phase.
    EditPathInResponse,
    /// Edits in the body-chunk phase.
    EditInBodyChunk,
    /// Edits beside a response of its own.
    EditBesideRespond,
    // Lies in its activation.
    /// Names a state key outside its manifest.
    LieState,
    TooManyFields,
    /// Asks for a field that does not exist.
    UnknownField,
}

impl Act {
    /// True if it strikes in the body-chunk phase. The others leave that phase out, which wants a grant of its own.
    pub(crate) const fn is_of_chunks(self) -> bool {
        matches!(
            self,
            Self::CountChunks
                | Self::RespondInBodyChunk
                | Self::RespondInLastChunk
                | Self::DoneAfterOneChunk
                | Self::SpinInBodyChunk
                | Self::TrapInBodyChunk
                | Self::EditInBodyChunk
        )
    }
}
