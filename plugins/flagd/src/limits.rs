//! Every bound of the evaluator. Definitions and contexts come from outside: what is larger is refused, never cut.

/// Bytes of a definition; a mebibyte holds some ten thousand flags.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Flags of one definition.
pub const FLAGS_MAX: usize = 10_000;
/// Faults of flags that are told with their place: finding one costs a walk through the text.
pub const FLAG_FAULTS_MAX: usize = 64;
/// Variants of one flag.
pub const VARIANTS_MAX: usize = 256;
/// Shared rules (`$evaluators`) of one definition.
pub const EVALUATORS_MAX: usize = 1_000;
/// Rules within rules, shared ones included. A level costs about a kibibyte of stack, and a plugin has 1 MiB of it.
pub const RULE_DEPTH_MAX: usize = 64;
/// Rules of one flag, with shared ones counted each time they are referred to.
pub const RULES_MAX: usize = 10_000;
/// Rules of one definition, counted in the same way.
pub const RULES_OF_A_SET_MAX: usize = 200_000;
/// Rules carried out in one evaluation; what `map` and `reduce` repeat counts each time.
pub const STEPS_MAX: u32 = 100_000;
/// The same for one constant rule while it is compiled: a hostile definition must not keep the compiler busy.
pub const STEPS_BEFOREHAND_MAX: u32 = 500;
/// Items of a list that a rule makes; as json-logic-engine has it.
pub const LIST_ITEMS_MAX: usize = 1 << 15;
/// Lists within lists that a rule makes.
pub const LIST_DEPTH_MAX: u8 = 64;
/// Bytes of a string that a rule makes; as json-logic-engine has it.
pub const TEXT_BYTES_MAX: usize = 1 << 16;
/// Steps of an explanation.
pub const EXPLANATION_STEPS_MAX: usize = 1_000;
/// Characters of a rule or value as an explanation shows it.
pub const EXPLANATION_CHARS_MAX: usize = 200;
/// Sum of the weights of one `fractional`: the format's 2^31 - 1.
pub const WEIGHT_SUM_MAX: u64 = 2_147_483_647;
