//! Carries out a compiled rule for one caller. Borrows what it can; bounded in steps, and by it in time and memory.

use std::rc::Rc;

use crate::datum::{Datum, List};
use crate::fractional::FractionalVersion;
use crate::limits::{LIST_DEPTH_MAX, LIST_ITEMS_MAX, STEPS_BEFOREHAND_MAX, STEPS_MAX};
use crate::operators;
use crate::rule::{Call, Rule, Variable};
use crate::scope::{Scope, Subject};

/// Why a rule could not be carried out; the flag answers GENERAL then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the rule divides by zero")]
    DivisionByZero,
    #[error("the rule takes more than {STEPS_MAX} steps")]
    TooManySteps,
    #[error("the rule makes a list of more than {LIST_ITEMS_MAX} items")]
    ListTooLong,
    #[error("the rule makes lists more than {LIST_DEPTH_MAX} deep")]
    ListTooDeep,
    #[error("the rule makes a string of more than {} bytes", crate::limits::TEXT_BYTES_MAX)]
    TextTooLong,
}

/// What a rule came to.
pub(crate) type Answer<'a> = Result<Datum<'a>, Failure>;

/// Is told what happens. An evaluation that nobody asked to explain tells nobody, at no cost.
pub(crate) trait Trace {
    /// The rule at `place` came to `datum`.
    fn came_to(&mut self, place: usize, datum: &Datum<'_>);
    /// The rule at `place` went on with its argument `index`.
    fn took(&mut self, place: usize, index: usize);
    /// Bucket `bucket` of `total` was hit at `place`.
    fn hit(&mut self, place: usize, bucket: u64, total: u64);
}

/// Tells nobody.
pub(crate) struct Silent;

impl Trace for Silent {
    fn came_to(&mut self, _place: usize, _datum: &Datum<'_>) {}
    fn took(&mut self, _place: usize, _index: usize) {}
    fn hit(&mut self, _place: usize, _bucket: u64, _total: u64) {}
}

/// One evaluation under way.
pub(crate) struct Run<'a, T> {
    pub(crate) subject: Subject<'a>,
    pub(crate) version: FractionalVersion,
    steps_left: u32,
    pub(crate) trace: T,
}

impl<'a, T: Trace> Run<'a, T> {
    pub(crate) fn new(subject: Subject<'a>, version: FractionalVersion, trace: T) -> Self {
        Self { subject, version, steps_left: STEPS_MAX, trace }
    }

    /// A run while a definition is compiled, which gives up early: what takes longer is left to the evaluation.
    pub(crate) fn beforehand(subject: Subject<'a>, version: FractionalVersion, trace: T) -> Self {
        Self { steps_left: STEPS_BEFOREHAND_MAX, ..Self::new(subject, version, trace) }
    }

    /// What `rule` comes to in `scope`.
    pub(crate) fn carry_out(&mut self, rule: &'a Rule, scope: &Scope<'a>) -> Answer<'a> {
        match rule {
            Rule::Constant(value) => Ok(Datum::from(value)),
            Rule::Variable(variable) => self.variable(variable, scope),
            Rule::List(rules) => {
                self.step()?;
                let items = rules.iter().map(|rule| self.carry_out(rule, scope)).collect::<Result<Vec<_>, _>>()?;
                list(items)
            }
            Rule::Call(call) => {
                self.step()?;
                let datum = operators::apply(self, call, scope)?;
                self.trace.came_to(call.place, &datum);
                Ok(datum)
            }
        }
    }

    /// The argument `index` of `call`, or undefined.
    pub(crate) fn argument(&mut self, call: &'a Call, index: usize, scope: &Scope<'a>) -> Answer<'a> {
        call.arguments.get(index).map_or(Ok(Datum::Undefined), |rule| self.carry_out(rule, scope))
    }

    /// Counts one step.
    pub(crate) fn step(&mut self) -> Result<(), Failure> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(Failure::TooManySteps)?;
        Ok(())
    }

    fn variable(&mut self, variable: &'a Variable, scope: &Scope<'a>) -> Answer<'a> {
        let found = self.subject.look_up(scope, variable.path.iter().map(|name| &**name));
        let datum = match (&variable.default, found) {
            (Some(default), Datum::Undefined | Datum::Null) => self.carry_out(default, scope)?,
            (None, Datum::Undefined) => Datum::Null,
            (_, found) => found,
        };
        self.trace.came_to(variable.place, &datum);
        Ok(datum)
    }
}

/// A list that a rule made.
///
/// # Errors
/// It is longer or deeper than the bounds.
pub(crate) fn list(items: Vec<Datum<'_>>) -> Answer<'_> {
    if items.len() > LIST_ITEMS_MAX {
        return Err(Failure::ListTooLong);
    }
    let depth = 1 + items.iter().map(depth).max().unwrap_or(0);
    if depth > LIST_DEPTH_MAX {
        return Err(Failure::ListTooDeep);
    }
    Ok(Datum::List(List { items: Rc::from(items), depth }))
}

/// How deep the lists that rules made go in `datum`; what was parsed is bounded by the parser.
fn depth(datum: &Datum<'_>) -> u8 {
    match datum {
        Datum::List(list) => list.depth,
        Datum::Fold(fold) => depth(&fold.current).max(depth(&fold.accumulator)).saturating_add(1),
        _ => 0,
    }
}
