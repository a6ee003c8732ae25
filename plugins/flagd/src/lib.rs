//! Flag definitions in flagd's format: read once per change, compiled, evaluated without allocation where that can be.
//!
//! Pure: no clock, no IO, no randomness. The feature-flags plugin and the admin API use it alike.
