//! `[apps.NAME]`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::{Keys, entries};
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{duration, filled_list, integer, list, name_text, text, text_up_to, unique};

use super::template::{Where, template};
use super::{PORTS, port};
use crate::app::{App, Health, Pipeline, Step};

/// Most words of a command line.
const WORDS_MAX: usize = 64;
/// Most variables of an app.
const VARIABLES_MAX: usize = 64;
/// Most gates of a pipeline.
const STEPS_MAX: usize = 16;
/// Most artifacts.
const ARTIFACTS_MAX: usize = 64;
/// Longest script of a gate, in bytes.
const SCRIPT_BYTES_MAX: usize = 8 * 1_024;
const PORT: u16 = 8_001;
const KEEP: RangeInclusive<u64> = 2..=100;
const HEALTHY: RangeInclusive<u64> = 1..=100;
const TIME: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60 * 60);
const SOME_TIME: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60 * 60);
const STEP_TIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(6 * 60 * 60);

const PATH: Form = Form::Text("a path", "^/[^?#]*$");

pub(crate) const SHAPE: Shape = Shape::new(
    "[apps.NAME]",
    &[
        Key::required(
            "run",
            Form::List(&Form::text("a word; `{{ port }}` and others are filled in"), 1, WORDS_MAX),
            "What starts a release, in its folder",
        ),
        Key::default(
            "env",
            Form::Map(&Form::text("text, with `{{ .. }}`"), VARIABLES_MAX),
            "{}",
            "Its environment; also for secrets",
        ),
        Key::required("health", Form::Table(&HEALTH), "When a release is fit to serve"),
        Key::default("port", Form::Integer(PORTS), "8001", "First of the 16 ports that its releases take turns in"),
        Key::default("drain", Form::Duration(TIME), "\"10s\"", "Time for requests in flight when a release ends"),
        Key::default("keep_releases", Form::Integer(KEEP), "5", "Releases kept on each droplet"),
        Key::required("pipeline", Form::Table(&PIPELINE), "What a commit goes through"),
    ],
);

const HEALTH: Shape = Shape::new(
    "[apps.NAME.health]",
    &[
        Key::required("path", PATH, "Must answer with 2xx"),
        Key::default("interval", Form::Duration(SOME_TIME), "\"500ms\"", "Time between two looks"),
        Key::default("timeout", Form::Duration(SOME_TIME), "\"2s\"", "Longest wait for one answer"),
        Key::default("healthy", Form::Integer(HEALTHY), "2", "Looks in a row that must go well"),
        Key::default(
            "deadline",
            Form::Duration(SOME_TIME),
            "\"30s\"",
            "A release that is not fit by then is rolled back",
        ),
    ],
);

const PIPELINE: Shape = Shape::new(
    "[apps.NAME.pipeline]",
    &[
        Key::required(
            "steps",
            Form::List(&Form::Table(&STEP), 1, STEPS_MAX),
            "Gates in order: build, unit tests, static analysis",
        ),
        Key::default(
            "artifacts",
            Form::List(&Form::text("a path in the checkout"), 0, ARTIFACTS_MAX),
            "[]",
            "What the steps make and a release needs",
        ),
        Key::default(
            "branch",
            Form::Text("a branch", "^[A-Za-z0-9][A-Za-z0-9._/-]*$"),
            "\"main\"",
            "Its commits are deployed",
        ),
    ],
);

const STEP: Shape = Shape::new(
    "[[apps.NAME.pipeline.steps]]",
    &[
        Key::required("name", Form::Name, "Shown name"),
        Key::required("run", Form::LongText(SCRIPT_BYTES_MAX), "Run by `sh -c` in a clean checkout of the commit"),
        Key::default("timeout", Form::Duration(STEP_TIME), "\"15m\"", "It is ended after this"),
    ],
);

/// An app, with the place that its ports are said at.
pub(crate) struct AppDraft {
    pub(crate) app: App,
    pub(crate) place: Place,
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<AppDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let run = keys.required(
        reader,
        "run",
        "write run = [\"bin/meow\", \"--listen\", \"{{ address }}:{{ port }}\"]",
        |reader, value| {
            filled_list(reader, value, WORDS_MAX, |reader, value| {
                let word = text(reader, value)?;
                template(reader, &word, Where::Arguments);
                Some(word.text)
            })
        },
    );
    let env = keys.optional(reader, "env", |reader, value| Some(env(reader, value))).unwrap_or_default();
    let health = keys.required(reader, "health", "write health = { path = \"/\" }", health);
    let first_port = keys.optional(reader, "port", port).unwrap_or(PORT);
    let drain = keys.optional(reader, "drain", |reader, value| duration(reader, value, &TIME));
    let keep_releases =
        keys.optional(reader, "keep_releases", |reader, value| integer(reader, value, &KEEP)).unwrap_or(5);
    let pipeline = keys.required(
        reader,
        "pipeline",
        "write pipeline.steps = [{ name = \"test\", run = \"make test\" }]",
        pipeline,
    );
    keys.finish(reader);
    let app = App {
        name: name.text,
        run: run?,
        env,
        health: health?,
        port: first_port,
        drain: drain.unwrap_or(Duration::from_secs(10)),
        keep_releases,
        pipeline: pipeline?,
    };
    Some(AppDraft { app, place: name.place })
}

fn env<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    entries(reader, value, VARIABLES_MAX, |reader, name, value| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !name.text.bytes().all(allowed) || name.text.starts_with(|first: char| first.is_ascii_digit()) {
            let message = format!("{} is no name of an environment variable", quoted(&name.text));
            reader.fault(&name.place, message, "letters, digits and `_`, no digit first");
        }
        if let Some(written) = text(reader, value) {
            template(reader, &written, Where::Environment);
            variables.insert(name.text, written.text);
        }
    });
    variables
}

fn health<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Health> {
    let mut keys = Keys::of(reader, value, &HEALTH)?;
    let path = keys.required(reader, "path", "write path = \"/\"", |reader, value| {
        let path = text(reader, value)?;
        if path.text.starts_with('/')
            && path.text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'))
        {
            return Some(path.text);
        }
        reader.fault(&path.place, format!("{} is no path", quoted(&path.text)), "it begins with `/` and has no query");
        None
    });
    let time = |reader: &mut Reader<'_>, value: &'d Value<'d>| duration(reader, value, &SOME_TIME);
    let interval = keys.optional(reader, "interval", time).unwrap_or(Duration::from_millis(500));
    let timeout = keys.optional(reader, "timeout", time).unwrap_or(Duration::from_secs(2));
    let deadline = keys.optional(reader, "deadline", time).unwrap_or(Duration::from_secs(30));
    let healthy = keys.optional(reader, "healthy", |reader, value| integer(reader, value, &HEALTHY)).unwrap_or(2);
    keys.finish(reader);
    Some(Health { path: path?, interval, timeout, healthy, deadline })
}

fn pipeline<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Pipeline> {
    let mut keys = Keys::of(reader, value, &PIPELINE)?;
    let steps =
        keys.required(reader, "steps", "write steps = [{ name = \"test\", run = \"make test\" }]", |reader, value| {
            let mut names = Vec::new();
            let steps = filled_list(reader, value, STEPS_MAX, |reader, value| step(reader, value, &mut names));
            unique(reader, &names);
            steps
        });
    let artifacts = keys.optional(reader, "artifacts", |reader, value| list(reader, value, ARTIFACTS_MAX, artifact));
    let branch = keys.optional(reader, "branch", |reader, value| {
        let branch = text(reader, value)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-');
        let begins = branch.text.as_bytes()[0].is_ascii_alphanumeric();
        if begins && branch.text.bytes().all(allowed) && !branch.text.contains("..") {
            return Some(branch.text);
        }
        reader.fault(&branch.place, format!("{} is no branch", quoted(&branch.text)), "write branch = \"main\"");
        None
    });
    keys.finish(reader);
    Some(Pipeline {
        steps: steps?,
        artifacts: artifacts.unwrap_or_default(),
        branch: branch.unwrap_or_else(|| "main".to_owned()),
    })
}

fn step<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, names: &mut Vec<Named>) -> Option<Step> {
    let mut keys = Keys::of(reader, value, &STEP)?;
    let name = keys.required(reader, "name", "write name = \"test\"", name_text);
    let run = keys.required(reader, "run", "write run = \"cargo test\"", |reader, value| {
        text_up_to(reader, value, SCRIPT_BYTES_MAX)
    });
    let timeout = keys.optional(reader, "timeout", |reader, value| duration(reader, value, &STEP_TIME));
    keys.finish(reader);
    let name = name?;
    names.push(name.clone());
    Some(Step { name: name.text, run: run?.text, timeout: timeout.unwrap_or(Duration::from_secs(15 * 60)) })
}

/// A path that stays in the checkout.
fn artifact<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<String> {
    let path = text(reader, value)?;
    let stays = path.text.split('/').all(|part| !part.is_empty() && part != ".." && part != "." && part != ".git");
    if stays {
        return Some(path.text);
    }
    reader.fault(&path.place, format!("{} is no path in the checkout", quoted(&path.text)), "relative, without `..`");
    None
}
