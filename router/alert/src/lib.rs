//! Alert rules (when is something worth a notice, when is it over) and sinks (mail, webhook, chat) that notices go to.
//!
//! Rules are pure, with time as an argument. Sinks deliver one notice once per call; who tries again is the notifier's
//! matter. Used by control and by infra.
