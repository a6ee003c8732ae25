//! A process that runs an official engine: lines of JSON in, lines of JSON out.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::documents::Asked;

/// Which engine.
#[derive(Clone, Copy)]
pub(super) enum Oracle {
    JavaScript,
    Python,
}

/// What an engine says of one document.
#[derive(Deserialize)]
pub(super) struct Answers {
    /// One per context, or "refused".
    pub(super) outcomes: Value,
    /// What json-logic-js makes of the rule for the first context.
    #[serde(default)]
    pub(super) reference: Value,
}

/// Where `cargo xtask test` put the engines.
fn folder() -> PathBuf {
    std::env::var_os("SLUICE_FLAGD_ORACLES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/flagd-oracles")),
        PathBuf::from,
    )
}

impl Oracle {
    /// Starts the engine, asks everything, and waits for its end.
    pub(super) fn ask(self, asked: &[Asked]) -> Vec<Answers> {
        let (program, script) = match self {
            Self::JavaScript => (PathBuf::from("node"), "oracle.js"),
            Self::Python => (folder().join("venv/bin/python"), "oracle.py"),
        };
        assert!(folder().join(script).is_file(), "no oracles: run `cargo xtask test official`");
        let mut command = Command::new(&program);
        command.current_dir(folder()).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the oracle starts");
        let mut input = child.stdin.take().expect("it was piped");
        let lines: Vec<String> = asked.iter().map(|asked| self.line(asked).to_string()).collect();
        // Beside the reading: neither pipe may fill up.
        let writer = std::thread::spawn(move || {
            for line in lines {
                if writeln!(input, "{line}").is_err() {
                    break;
                }
            }
        });
        let output = child.wait_with_output().expect("the oracle ends");
        writer.join().expect("writing does not panic");
        assert!(output.status.success(), "{} {script} failed", program.display());
        let answers: Vec<Answers> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("an answer is JSON"))
            .collect();
        assert_eq!(answers.len(), asked.len());
        answers
    }

    fn line(self, asked: &Asked) -> Value {
        let case = |context| json!({"key": "f", "kind": asked.kind, "context": context});
        let cases: Vec<Value> = asked.contexts.iter().map(case).collect();
        match self {
            Self::JavaScript if asked.with_reference => json!({"document": asked.document(), "cases": cases,
                "rule": asked.rule, "data": asked.contexts[0]}),
            _ => json!({"document": asked.document(), "cases": cases}),
        }
    }
}
