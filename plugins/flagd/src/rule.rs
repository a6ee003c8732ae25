//! A compiled rule: a tree in which every operator is known and every constant part has been worked out.

use serde_json::Value;

/// One rule.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Constant(Value),
    /// An array with rules in it.
    List(Box<[Self]>),
    Variable(Box<Variable>),
    Call(Box<Call>),
}

/// `var` with a path that is known.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// The parts between the dots; empty for all data.
    pub(crate) path: Box<[Box<str>]>,
    pub(crate) default: Option<Rule>,
    pub(crate) place: usize,
}

/// An operator and what it works on.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operator: Operator,
    pub(crate) arguments: Box<[Rule]>,
    /// Of `fractional`, if its buckets are constant.
    pub(crate) buckets: Option<Box<Buckets>>,
    /// Index into the places that an explanation shows.
    pub(crate) place: usize,
}

/// Buckets worked out beforehand, in the order of the document: reordering them would move users.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    /// The first argument is a bucket too: the targeting key decides.
    pub(crate) shorthand: bool,
    /// What a bucket stands for, and the sum of the weights up to and with it.
    pub(crate) bounds: Box<[(Value, u64)]>,
    /// The sum of all weights; positive.
    pub(crate) total: u64,
}

macro_rules! operators {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// All operators of the format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operator {
            $($variant),*
        }

        impl Operator {
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    "?:" => Some(Self::If),
                    _ => None,
                }
            }
        }
    };
}

operators! {
    Var = "var", Missing = "missing", MissingSome = "missing_some",
    If = "if", And = "and", Or = "or", Not = "!", Truth = "!!",
    Equal = "==", NotEqual = "!=", StrictEqual = "===", StrictNotEqual = "!==",
    Less = "<", LessOrEqual = "<=", Greater = ">", GreaterOrEqual = ">=",
    Add = "+", Subtract = "-", Multiply = "*", Divide = "/", Remainder = "%", Min = "min", Max = "max",
    In = "in", Cat = "cat", Substr = "substr", Merge = "merge",
    Map = "map", Filter = "filter", Reduce = "reduce", All = "all", Some = "some", None = "none",
    StartsWith = "starts_with", EndsWith = "ends_with", SemVer = "sem_ver", Fractional = "fractional",
}

impl Operator {
    /// Whether its second argument sees the items of a list in place of the data.
    pub(crate) fn iterates(self) -> bool {
        matches!(self, Self::Map | Self::Filter | Self::Reduce | Self::All | Self::Some | Self::None)
    }

    /// Whether it looks at the data although no argument says so.
    pub(crate) fn reads_data(self) -> bool {
        matches!(self, Self::Var | Self::Missing | Self::MissingSome | Self::Fractional)
    }
}
