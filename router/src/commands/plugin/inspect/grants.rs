//! Rights as people and policies write them.

use serde::Serialize;
use sluice_policy::Grants;
use sluice_wasm::Needs;

/// What a plugin needs, or is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Rights {
    pub(super) state: Vec<String>,
    /// The rest, each as its key.
    pub(super) others: Vec<&'static str>,
}

impl Rights {
    /// `state flag:*, alerts`, or `nothing`.
    pub(super) fn text(&self) -> String {
        let state = self.state.iter().map(|key| format!("state {}", key.escape_debug()));
        let all: Vec<String> = state.chain(self.others.iter().map(|right| (*right).to_owned())).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
    }
}

impl From<&Grants> for Rights {
    fn from(grants: &Grants) -> Self {
        let flags = grants.flags().into_iter().filter(|(_, is_granted)| *is_granted);
        Self { state: grants.state.clone(), others: flags.map(|(name, _)| name).collect() }
    }
}

/// `grants` and what of `needs` they lack.
pub(super) fn with_needs(grants: &Grants, needs: &Needs) -> Grants {
    let lacking = needs.state.iter().filter(|need| !grants.touch(need));
    Grants {
        state: grants.state.iter().chain(lacking).cloned().collect(),
        alerts: grants.alerts || needs.alerts,
        abort: grants.abort || needs.abort,
        counters: grants.counters || needs.counters,
        tags: grants.tags || needs.tags,
        log: grants.log || needs.log,
        edits: grants.edits || needs.edits,
        body: grants.body || needs.body,
    }
}

/// The line of a policy.
pub(super) fn grants_line(grants: &Grants) -> String {
    let state: Vec<String> = grants.state.iter().map(|key| quoted(key)).collect();
    let state = Some(format!("state = [{}]", state.join(", "))).filter(|_| !grants.state.is_empty());
    let flags = grants.flags().into_iter().filter(|(_, is_granted)| *is_granted);
    let all: Vec<String> = state.into_iter().chain(flags.map(|(name, _)| format!("{name} = true"))).collect();
    format!("grants = {{ {} }}", all.join(", "))
}

/// A basic string of TOML; those of JSON are.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_write_keeps_what_is_granted_and_adds_what_is_needed() {
        let granted = Grants { state: vec!["flag:a".to_owned()], tags: true, ..Grants::default() };
        let state = vec!["flag:*".to_owned(), "rollout:demo".to_owned()];
        let needs = Needs { state, alerts: true, ..Needs::default() };
        let line = grants_line(&with_needs(&granted, &needs));
        assert_eq!(line, "grants = { state = [\"flag:a\", \"rollout:demo\"], alerts = true, tags = true }");
        let text = format!("[plugins.p]\nfile = \"p.wasm\"\n{}", line.replace(", \"rollout:demo\"", ""));
        let source = sluice_policy::Source { file: "a.toml".to_owned(), text };
        sluice_policy::parse(&[source]).unwrap_or_else(|faults| panic!("{faults}"));
    }

    #[test]
    fn rights_are_told_in_the_words_of_the_policy() {
        assert_eq!(Rights::default().text(), "nothing");
        let grants = Grants { state: vec!["flag:*".to_owned()], body: true, log: true, ..Grants::default() };
        assert_eq!(Rights::from(&grants).text(), "state flag:*, log, body");
    }
}
