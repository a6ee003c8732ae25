//! Says step by step why a flag is what it is for one caller. Compiles the rule anew, with every place kept and nothing
//! worked out beforehand, so that an explanation costs an evaluation nothing.

use serde_json::Value;

use crate::compile::{Compiler, Place, cut};
use crate::context::Context;
use crate::datum::Datum;
use crate::evaluate::{Run, Trace};
use crate::limits::EXPLANATION_STEPS_MAX;
use crate::scope::{Scope, Subject};
use crate::set::FlagSet;

/// Why a flag is what it is.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Explanation {
    /// The flag's key.
    pub key: String,
    /// The value, if there is one.
    pub value: Option<Value>,
    /// The variant, if there is one.
    pub variant: Option<String>,
    /// OpenFeature's name of the reason.
    pub reason: &'static str,
    /// OpenFeature's name of what went wrong.
    #[serde(rename = "errorCode")]
    pub error_code: Option<&'static str>,
    /// What went wrong, one line.
    #[serde(rename = "errorDetails")]
    pub error_details: Option<String>,
    /// The rules that were carried out, in that order: the parts before the whole.
    pub steps: Vec<Step>,
    /// There were more steps than are shown.
    #[serde(rename = "stepsLeftOut")]
    pub steps_left_out: bool,
}

/// One rule that was carried out.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Step {
    /// Where it stands, e.g. `flags.new-ui.targeting.if[0].in`.
    pub path: String,
    /// The rule, cut if long.
    pub rule: String,
    /// What it came to, as JSON, cut if long.
    pub value: String,
    /// How it came to that, e.g. which argument decided.
    pub note: Option<String>,
}

impl FlagSet {
    /// Why the flag `key` is what it is for the caller that `context` describes.
    pub fn explain(&self, key: &str, context: &Context<'_>) -> Explanation {
        let evaluation = self.evaluate(key, context);
        let steps = self.steps(key, context);
        Explanation {
            key: key.to_owned(),
            value: evaluation.value.cloned(),
            variant: evaluation.variant.map(str::to_owned),
            reason: evaluation.reason.as_str(),
            error_code: evaluation.error.as_ref().map(|error| error.code.as_str()),
            error_details: evaluation.error.map(|error| error.details),
            steps_left_out: steps.len() > EXPLANATION_STEPS_MAX,
            steps: steps.into_iter().take(EXPLANATION_STEPS_MAX).collect(),
        }
    }

    fn steps(&self, key: &str, context: &Context<'_>) -> Vec<Step> {
        let Some(flag) = self.get(key) else { return Vec::new() };
        let definition = &flag.definition;
        let Some(targeting) = &definition.targeting else { return Vec::new() };
        let mut compiler = Compiler::explaining(&self.evaluators, self.fractional);
        let Ok(rule) = definition.at_targeting(|trail| compiler.compile(targeting, trail)) else { return Vec::new() };
        let (_, _, places) = compiler.finish();
        let trace = Recorder { places: &places, steps: Vec::new(), notes: vec![None; places.len()] };
        let subject = Subject { flag_key: &definition.key, context: *context };
        let mut run = Run::new(subject, self.fractional, trace);
        // What fails is told by the evaluation; the steps up to it are still worth showing.
        let _: Result<_, _> = run.carry_out(&rule, &Scope::Everything).map(drop);
        run.trace.steps
    }
}

/// Writes steps down, one more than are shown.
struct Recorder<'p> {
    places: &'p [Place],
    steps: Vec<Step>,
    /// By place: what is known of a rule before it comes to an end.
    notes: Vec<Option<String>>,
}

impl Trace for Recorder<'_> {
    fn came_to(&mut self, place: usize, datum: &Datum<'_>) {
        let note = self.notes.get_mut(place).and_then(Option::take);
        let Some(Place { path, rule }) = self.places.get(place) else { return };
        if self.steps.len() <= EXPLANATION_STEPS_MAX {
            let value = cut(&datum.to_json().to_string());
            self.steps.push(Step { path: path.to_string(), rule: rule.clone(), value, note });
        }
    }

    fn took(&mut self, place: usize, index: usize) {
        self.note(place, format!("took argument {index}"));
    }

    fn hit(&mut self, place: usize, bucket: u64, total: u64) {
        self.note(place, format!("hit {bucket} of {total}"));
    }
}

impl Recorder<'_> {
    fn note(&mut self, place: usize, text: String) {
        if let Some(note) = self.notes.get_mut(place) {
            *note = Some(text);
        }
    }
}
