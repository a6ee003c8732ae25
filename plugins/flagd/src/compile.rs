//! From JsonLogic as JSON to [`Rule`]: operators become known, shared rules are put in, constant parts are worked out.
//!
//! A fault of a rule is a fault of its flag alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::context::Context;
use crate::datum::Datum;
use crate::evaluate::{Run, Silent};
use crate::fault::RuleFault;
use crate::fractional::FractionalVersion;
use crate::limits::{EXPLANATION_CHARS_MAX, RULE_DEPTH_MAX, RULES_MAX};
use crate::place::{Path, Trail};
use crate::rule::{Buckets, Call, Operator, Rule, Variable};
use crate::scope::{Scope, Subject};

/// What a flag's rules look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// Paths such as `user.email`; `targetingKey` is one.
    pub(crate) attributes: BTreeSet<String>,
    /// A rule asks for all data, or makes up a path: any attribute may count.
    pub(crate) anything: bool,
}

/// What an explanation shows of a rule.
pub(crate) struct Place {
    pub(crate) path: Path,
    /// The rule itself, cut.
    pub(crate) rule: String,
}

/// Compiles the rule of one flag.
pub(crate) struct Compiler<'d> {
    evaluators: &'d Map<String, Value>,
    version: FractionalVersion,
    /// For an explanation nothing is worked out beforehand, and each rule knows its place.
    places: Option<Vec<Place>>,
    rules: usize,
    reads: Reads,
    /// Shared rules that are being put in, outermost first.
    open: Vec<&'d str>,
}

/// Where a rule stands.
#[derive(Clone, Copy)]
struct Spot {
    depth: usize,
    /// Within an iteration `var` means the item.
    of_item: bool,
}

impl<'d> Compiler<'d> {
    pub(crate) fn new(evaluators: &'d Map<String, Value>, version: FractionalVersion) -> Self {
        Self { evaluators, version, places: None, rules: 0, reads: Reads::default(), open: Vec::new() }
    }

    pub(crate) fn explaining(evaluators: &'d Map<String, Value>, version: FractionalVersion) -> Self {
        Self { places: Some(Vec::new()), ..Self::new(evaluators, version) }
    }

    /// Compiles `value`, the whole rule of a flag.
    ///
    /// # Errors
    /// It is no rule.
    pub(crate) fn compile(&mut self, value: &'d Value, trail: &Trail<'_>) -> Result<Rule, RuleFault> {
        self.rule(value, trail, Spot { depth: 0, of_item: false })
    }

    /// What the rules look at, how many they are, and their places if asked for.
    pub(crate) fn finish(self) -> (Reads, usize, Vec<Place>) {
        (self.reads, self.rules, self.places.unwrap_or_default())
    }

    fn rule(&mut self, value: &'d Value, trail: &Trail<'_>, spot: Spot) -> Result<Rule, RuleFault> {
        self.rules += 1;
        if self.rules > RULES_MAX {
            return Err(RuleFault::new(trail, format!("the flag has more than {RULES_MAX} rules")));
        }
        if spot.depth > RULE_DEPTH_MAX {
            return Err(RuleFault::new(trail, format!("rules stand more than {RULE_DEPTH_MAX} deep in one another")));
        }
        match value {
            Value::Array(items) => {
                let rules = self.rules_of(items, trail, spot)?;
                Ok(if rules.iter().all(|rule| matches!(rule, Rule::Constant(_))) {
                    Rule::Constant(value.clone())
                } else {
                    Rule::List(rules)
                })
            }
            Value::Object(members) => match members.iter().next() {
                None => Ok(Rule::Constant(value.clone())),
                Some((name, arguments)) if members.len() == 1 => match name.as_str() {
                    "$ref" => self.shared(arguments, trail, spot),
                    name => self.call(value, name, arguments, trail, spot),
                },
                Some(_) => {
                    let names: Vec<&str> = members.keys().map(String::as_str).collect();
                    Err(RuleFault::new(trail, format!("a rule has one operator, not {}", names.join(" and "))))
                }
            },
            _ => Ok(Rule::Constant(value.clone())),
        }
    }

    fn rules_of(&mut self, values: &'d [Value], trail: &Trail<'_>, spot: Spot) -> Result<Box<[Rule]>, RuleFault> {
        let spot = Spot { depth: spot.depth + 1, ..spot };
        values.iter().enumerate().map(|(index, value)| self.rule(value, &Trail::Index(trail, index), spot)).collect()
    }

    fn shared(&mut self, name: &'d Value, trail: &Trail<'_>, spot: Spot) -> Result<Rule, RuleFault> {
        let Some((name, rule)) = name.as_str().and_then(|name| self.evaluators.get_key_value(name)) else {
            return Err(RuleFault::new(trail, format!("`$evaluators` has no rule {name}")));
        };
        if self.open.contains(&name.as_str()) {
            return Err(RuleFault::new(trail, format!("the shared rule `{name}` refers to itself")));
        }
        self.open.push(name);
        let evaluators = Trail::Key(&Trail::Document, "$evaluators");
        let rule = self.rule(rule, &Trail::Key(&evaluators, name), Spot { depth: spot.depth + 1, ..spot });
        self.open.pop();
        rule
    }

    fn call(
        &mut self,
        value: &'d Value,
        name: &str,
        arguments: &'d Value,
        trail: &Trail<'_>,
        spot: Spot,
    ) -> Result<Rule, RuleFault> {
        let trail = Trail::Key(trail, name);
        let Some(operator) = Operator::named(name) else {
            return Err(RuleFault::new(&trail, format!("there is no operator `{name}`")));
        };
        let place = self.place(value, &trail);
        let rules = match arguments {
            Value::Array(arguments) if operator.iterates() => self.iteration(arguments, &trail, spot)?,
            Value::Array(arguments) => self.rules_of(arguments, &trail, spot)?,
            // `{"var": "x"}` is short for `{"var": ["x"]}`.
            single => Box::new([self.rule(single, &trail, Spot { depth: spot.depth + 1, ..spot })?]),
        };
        let call = Call { operator, buckets: buckets(operator, &rules), arguments: rules, place };
        if !spot.of_item {
            self.note_reads(&call);
        }
        Ok(match variable(call) {
            Ok(variable) => Rule::Variable(Box::new(variable)),
            Err(call) if self.places.is_none() => self.work_out(call),
            Err(call) => Rule::Call(Box::new(call)),
        })
    }

    /// The second argument sees items, the others the data.
    fn iteration(&mut self, values: &'d [Value], trail: &Trail<'_>, spot: Spot) -> Result<Box<[Rule]>, RuleFault> {
        let depth = spot.depth + 1;
        let compile = |(index, value)| {
            let spot = Spot { depth, of_item: spot.of_item || index == 1 };
            self.rule(value, &Trail::Index(trail, index), spot)
        };
        values.iter().enumerate().map(compile).collect()
    }

    fn place(&mut self, value: &Value, trail: &Trail<'_>) -> usize {
        let Some(places) = &mut self.places else { return 0 };
        places.push(Place { path: trail.path(), rule: cut(&value.to_string()) });
        places.len() - 1
    }

    fn note_reads(&mut self, call: &Call) {
        match (call.operator, &*call.arguments) {
            (Operator::Var, [Rule::Constant(path), ..]) => self.note_path(path),
            (Operator::Missing, names) => names.iter().for_each(|name| self.note_names(name)),
            (Operator::MissingSome, [_, names, ..]) => self.note_names(names),
            (Operator::Var, _) => self.reads.anything = true,
            (Operator::Fractional, [first, ..]) => {
                let by_expression = matches!(first, Rule::Variable(_)) && call.buckets.is_some();
                if !by_expression {
                    self.reads.attributes.insert("targetingKey".to_owned());
                }
            }
            _ => {}
        }
    }

    fn note_names(&mut self, rule: &Rule) {
        match rule {
            Rule::Constant(Value::Array(names)) => names.iter().for_each(|name| self.note_path(name)),
            Rule::Constant(name) => self.note_path(name),
            Rule::List(_) | Rule::Variable(_) | Rule::Call(_) => self.reads.anything = true,
        }
    }

    fn note_path(&mut self, path: &Value) {
        let path = Datum::from(path);
        match path_of(&path) {
            path if path.is_empty() => self.reads.anything = true,
            path if path == "$flagd" || path.starts_with("$flagd.") => {}
            path => {
                self.reads.attributes.insert(path);
            }
        }
    }

    /// Leaves out what is decided already.
    fn work_out(&self, mut call: Call) -> Rule {
        if call.operator == Operator::If {
            call.arguments = undecided(call.arguments);
            if call.arguments.len() == 1 {
                let only = call.arguments.into_iter().next();
                return only.unwrap_or(Rule::Constant(Value::Null));
            }
        }
        let constant = call.arguments.iter().all(|rule| matches!(rule, Rule::Constant(_)));
        if !constant || call.operator.reads_data() {
            return Rule::Call(Box::new(call));
        }
        let rule = Rule::Call(Box::new(call));
        let subject = Subject { flag_key: "", context: Context::new(None, 0) };
        let mut run = Run::beforehand(subject, self.version, Silent);
        let constant = run.carry_out(&rule, &Scope::Everything).ok().and_then(|datum| constant_of(&datum));
        constant.map_or(rule, Rule::Constant)
    }
}

/// The arguments of an `if` without conditions that are constant.
fn undecided(arguments: Box<[Rule]>) -> Box<[Rule]> {
    let mut left = Vec::with_capacity(arguments.len());
    let mut arguments = arguments.into_iter();
    while let Some(condition) = arguments.next() {
        let Some(outcome) = arguments.next() else {
            left.push(condition);
            break;
        };
        match condition {
            Rule::Constant(value) if Datum::from(&value).is_truthy() => {
                left.push(outcome);
                break;
            }
            Rule::Constant(_) => {}
            condition => left.extend([condition, outcome]),
        }
    }
    left.into()
}

/// `datum` as JSON, if JSON can say it.
fn constant_of(datum: &Datum<'_>) -> Option<Value> {
    match datum {
        Datum::Number(number) if !number.is_finite() => None,
        Datum::List(list) => list.items.iter().map(constant_of).collect(),
        Datum::Undefined | Datum::Everything | Datum::Flagd | Datum::Fold(_) => None,
        other => Some(other.to_json()),
    }
}

/// The path that a constant argument of `var` stands for; empty for all data.
fn path_of(argument: &Datum<'_>) -> String {
    if argument.is_nothing() { String::new() } else { argument.to_text() }
}

fn variable(call: Call) -> Result<Variable, Call> {
    match (call.operator, &*call.arguments) {
        (Operator::Var, [] | [Rule::Constant(_)] | [Rule::Constant(_), _]) => {}
        _ => return Err(call),
    }
    let mut arguments = call.arguments.into_iter();
    let path = match arguments.next() {
        Some(Rule::Constant(path)) => path_of(&Datum::from(&path)),
        _ => String::new(),
    };
    let names = if path.is_empty() { Vec::new() } else { path.split('.').map(Box::from).collect() };
    Ok(Variable { path: names.into(), default: arguments.next(), place: call.place })
}

fn buckets(operator: Operator, rules: &[Rule]) -> Option<Box<Buckets>> {
    let (Operator::Fractional, [first, rest @ ..]) = (operator, rules) else { return None };
    let rest: Option<Vec<&Value>> =
        rest.iter().map(|rule| if let Rule::Constant(value) = rule { Some(value) } else { None }).collect();
    match (first, rest?) {
        (Rule::List(_), _) => None,
        (Rule::Constant(first @ Value::Array(_)), mut buckets) => {
            buckets.insert(0, first);
            Buckets::constant(true, &buckets).map(Box::new)
        }
        (_, buckets) => Buckets::constant(false, &buckets).map(Box::new),
    }
}

/// `text` as an explanation shows it.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(EXPLANATION_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
