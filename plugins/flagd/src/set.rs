//! A compiled definition: what the plugin and the admin API hold, and ask.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::compile::{Compiler, Reads};
use crate::context::Context;
use crate::datum::Datum;
use crate::document::{self, Definition};
use crate::evaluate::{Run, Silent};
use crate::evaluation::{ErrorCode, Evaluation, EvaluationError, Reason};
use crate::fault::{DocumentFault, FlagFault, RuleFault};
use crate::fractional::FractionalVersion;
use crate::limits::{FLAG_FAULTS_MAX, RULES_OF_A_SET_MAX};
use crate::place::Trail;
use crate::rule::Rule;
use crate::scope::{Scope, Subject};

/// The flags of one definition, ready to be evaluated. It never changes: a new definition makes a new set.
#[derive(Debug)]
pub struct FlagSet {
    flags: BTreeMap<String, Flag>,
    pub(crate) evaluators: Map<String, Value>,
    metadata: Map<String, Value>,
    pub(crate) fractional: FractionalVersion,
    reads: Reads,
    faults: Vec<FlagFault>,
    at_fault: usize,
}

/// One flag of a set.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) definition: Definition,
    target: Target,
    reads: Reads,
}

/// How the variant of a flag is found.
#[derive(Debug)]
enum Target {
    /// It is the same for everyone.
    Settled(Outcome),
    Rule(Rule),
    /// Its rule is none.
    Faulty(String),
}

/// What a rule leads to.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Index into the variants.
    Variant(usize, Reason),
    /// The caller's own default.
    Nothing(Reason),
    /// The rule named what is no variant.
    Unknown(String),
}

/// Whether a flag is switched on as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FlagState {
    /// It is evaluated.
    Enabled,
    /// It answers as if it had no value.
    Disabled,
}

/// The type of a flag's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlagKind {
    /// true or false
    Boolean,
    /// a string
    String,
    /// a number
    Number,
    /// an object or an array
    Object,
}

/// What a list of flags shows of one.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FlagSummary<'s> {
    /// Its key.
    pub key: &'s str,
    /// Whether it is switched on as a whole.
    pub state: FlagState,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: FlagKind,
    /// The names of its variants, sorted.
    pub variants: Vec<&'s str>,
    /// The variant that counts where the rule says nothing.
    #[serde(rename = "defaultVariant")]
    pub default_variant: Option<&'s str>,
    /// Whether it has a rule.
    #[serde(rename = "hasTargeting")]
    pub has_targeting: bool,
    /// The attributes that its rule looks at, e.g. `user.email`; `targetingKey` is one.
    pub attributes: &'s BTreeSet<String>,
}

impl FlagSet {
    /// Reads and compiles a definition.
    ///
    /// # Errors
    /// The text is not JSON or not a flag definition. A flag whose rule alone is at fault is no error: it answers
    /// PARSE_ERROR, and [`Self::flag_faults`] says why of the first [`FLAG_FAULTS_MAX`] of them.
    pub fn compile(text: &str) -> Result<Self, DocumentFault> {
        let document = document::read(text)?;
        let mut set = Self {
            flags: BTreeMap::new(),
            evaluators: document.evaluators,
            metadata: document.metadata,
            fractional: document.fractional,
            reads: Reads::default(),
            faults: Vec::new(),
            at_fault: 0,
        };
        let mut rules_left = RULES_OF_A_SET_MAX;
        for definition in document.flags {
            let flag = set.flag(definition, &mut rules_left, text);
            set.reads.attributes.extend(flag.reads.attributes.iter().cloned());
            set.reads.anything |= flag.reads.anything;
            set.flags.insert(flag.definition.key.clone(), flag);
        }
        Ok(set)
    }

    fn flag(&mut self, definition: Definition, rules_left: &mut usize, text: &str) -> Flag {
        let Some(targeting) = &definition.targeting else {
            let outcome = definition.by_default(Reason::Static);
            return Flag { definition, target: Target::Settled(outcome), reads: Reads::default() };
        };
        let mut compiler = Compiler::new(&self.evaluators, self.fractional);
        let result = definition.at_targeting(|trail| {
            let rule = compiler.compile(targeting, trail);
            let (reads, rules, _) = compiler.finish();
            *rules_left = rules_left.saturating_sub(rules);
            if *rules_left == 0 {
                let message = format!("the definition has more than {RULES_OF_A_SET_MAX} rules");
                return Err(RuleFault::new(trail, message));
            }
            rule.map(|rule| (rule, reads))
        });
        let (target, reads) = match result {
            Ok((Rule::Constant(value), reads)) => (Target::Settled(definition.outcome(&Datum::from(&value))), reads),
            Ok((rule, reads)) => (Target::Rule(rule), reads),
            Err(fault) => {
                let message = format!("{} at {}", fault.message, fault.path);
                self.at_fault += 1;
                if self.faults.len() < FLAG_FAULTS_MAX {
                    self.faults.push(fault.of(&definition.key, text));
                }
                (Target::Faulty(message), Reads::default())
            }
        };
        Flag { definition, target, reads }
    }

    /// What the flag `key` is for the caller that `context` describes.
    pub fn evaluate(&self, key: &str, context: &Context<'_>) -> Evaluation<'_> {
        match self.flags.get(key) {
            Some(flag) => self.evaluate_flag(flag, context),
            None => {
                let error =
                    EvaluationError { code: ErrorCode::FlagNotFound, details: format!("there is no flag `{key}`") };
                Evaluation::failed(error, &self.metadata)
            }
        }
    }

    /// Every flag for the caller that `context` describes, by key.
    pub fn evaluate_all<'s>(&'s self, context: &Context<'_>) -> impl Iterator<Item = (&'s str, Evaluation<'s>)> {
        self.flags.iter().map(|(key, flag)| (key.as_str(), self.evaluate_flag(flag, context)))
    }

    fn evaluate_flag<'s>(&'s self, flag: &'s Flag, context: &Context<'_>) -> Evaluation<'s> {
        let definition = &flag.definition;
        if definition.state == FlagState::Disabled {
            return definition.answer(&Outcome::Nothing(Reason::Disabled));
        }
        match &flag.target {
            Target::Settled(outcome) => definition.answer(outcome),
            Target::Faulty(message) => {
                let error = EvaluationError { code: ErrorCode::ParseError, details: message.clone() };
                Evaluation::failed(error, &definition.metadata)
            }
            Target::Rule(rule) => {
                let subject = Subject { flag_key: &definition.key, context: *context };
                let mut run = Run::new(subject, self.fractional, Silent);
                match run.carry_out(rule, &Scope::Everything) {
                    Ok(datum) => definition.answer(&definition.outcome(&datum)),
                    Err(failure) => Evaluation::general(failure.to_string(), &definition.metadata),
                }
            }
        }
    }

    /// The flags, by key.
    pub fn flags(&self) -> impl Iterator<Item = FlagSummary<'_>> {
        self.flags.values().map(Flag::summary)
    }

    /// One flag.
    pub fn flag_summary(&self, key: &str) -> Option<FlagSummary<'_>> {
        self.flags.get(key).map(Flag::summary)
    }

    /// The value of one variant of one flag.
    pub fn variant(&self, key: &str, name: &str) -> Option<&Value> {
        let variants = &self.flags.get(key)?.definition.variants;
        variants.iter().find(|(variant, _)| variant == name).map(|(_, value)| value)
    }

    /// Flags that answer PARSE_ERROR, and why.
    pub fn flag_faults(&self) -> &[FlagFault] {
        &self.faults
    }

    /// How many flags answer PARSE_ERROR.
    pub const fn flags_at_fault(&self) -> usize {
        self.at_fault
    }

    /// The paths of all attributes that rules look at, e.g. `user.email`; `targetingKey` is one.
    pub fn attributes(&self) -> &BTreeSet<String> {
        &self.reads.attributes
    }

    /// Whether attributes beyond [`Self::attributes`] may count, because a rule asks for all data or makes up a path.
    pub fn reads_any_attribute(&self) -> bool {
        self.reads.anything
    }

    /// The metadata of the set.
    pub fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    /// Which version of `fractional` it uses.
    pub fn fractional_version(&self) -> FractionalVersion {
        self.fractional
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Flag> {
        self.flags.get(key)
    }
}

impl Flag {
    fn summary(&self) -> FlagSummary<'_> {
        let Definition { key, state, kind, variants, default_variant, targeting, .. } = &self.definition;
        FlagSummary {
            key,
            state: *state,
            kind: *kind,
            variants: variants.iter().map(|(name, _)| name.as_str()).collect(),
            default_variant: default_variant.map(|index| variants[index].0.as_str()),
            has_targeting: targeting.is_some(),
            attributes: &self.reads.attributes,
        }
    }
}

impl Definition {
    /// Calls `with` with the place of the flag's rule.
    pub(crate) fn at_targeting<R>(&self, with: impl FnOnce(&Trail<'_>) -> R) -> R {
        let flags = Trail::Key(&Trail::Document, "flags");
        let flag = Trail::Key(&flags, &self.key);
        with(&Trail::Key(&flag, "targeting"))
    }

    fn by_default(&self, reason: Reason) -> Outcome {
        self.default_variant.map_or(Outcome::Nothing(Reason::Default), |index| Outcome::Variant(index, reason))
    }

    /// What the result of the rule leads to.
    pub(crate) fn outcome(&self, result: &Datum<'_>) -> Outcome {
        let built;
        let name = match result {
            Datum::Undefined | Datum::Null => return self.by_default(Reason::Default),
            Datum::Boolean(flag) => {
                if *flag {
                    "true"
                } else {
                    "false"
                }
            }
            other => match other.as_text() {
                Some(text) => text,
                None => {
                    built = other.to_text();
                    &built
                }
            },
        };
        match self.variants.binary_search_by(|(variant, _)| variant.as_str().cmp(name)) {
            Ok(index) => Outcome::Variant(index, Reason::TargetingMatch),
            Err(_) => Outcome::Unknown(crate::compile::cut(name)),
        }
    }

    pub(crate) fn answer(&self, outcome: &Outcome) -> Evaluation<'_> {
        match outcome {
            Outcome::Variant(index, reason) => {
                let (variant, value) = &self.variants[*index];
                let (value, variant) = (Some(value), Some(variant.as_str()));
                Evaluation { value, variant, reason: *reason, error: None, metadata: &self.metadata }
            }
            Outcome::Nothing(reason) => {
                Evaluation { value: None, variant: None, reason: *reason, error: None, metadata: &self.metadata }
            }
            Outcome::Unknown(name) => {
                Evaluation::general(format!("the rule chose `{name}`, which is no variant"), &self.metadata)
            }
        }
    }
}

impl FlagKind {
    /// The type of `value`; null has none.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(_) => Some(Self::Boolean),
            Value::String(_) => Some(Self::String),
            Value::Number(_) => Some(Self::Number),
            Value::Array(_) | Value::Object(_) => Some(Self::Object),
        }
    }
}

impl<'s> Evaluation<'s> {
    pub(crate) fn failed(error: EvaluationError, metadata: &'s Map<String, Value>) -> Self {
        Self { value: None, variant: None, reason: Reason::Error, error: Some(error), metadata }
    }

    pub(crate) fn general(details: String, metadata: &'s Map<String, Value>) -> Self {
        Self::failed(EvaluationError { code: ErrorCode::General, details }, metadata)
    }
}
