//! A definition as it was typed, checked against flagd's schema: `flags.json` of flagd-schemas, and what both official
//! engines refuse. Keys that the schema does not know are allowed, as it says. Rules are looked at by `compile`.

use serde_json::{Map, Value};

use crate::fault::DocumentFault;
use crate::fractional::FractionalVersion;
use crate::limits::{DOCUMENT_BYTES_MAX, EVALUATORS_MAX, FLAGS_MAX, VARIANTS_MAX};
use crate::place::Trail;
use crate::set::{FlagKind, FlagState};

/// The key of a set's metadata that chooses the version of `fractional`. flagd itself has no way to say it: there the
/// version is that of the library.
const FRACTIONAL_VERSION: &str = "fractionalVersion";
/// The largest number that every client reads alike (the schema's bound, 2^53 - 1).
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// A checked definition.
pub(crate) struct Document {
    pub(crate) flags: Vec<Definition>,
    pub(crate) evaluators: Map<String, Value>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) fractional: FractionalVersion,
}

/// A checked flag, but for its rule.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) key: String,
    pub(crate) state: FlagState,
    pub(crate) kind: FlagKind,
    /// By name.
    pub(crate) variants: Vec<(String, Value)>,
    /// Index into the variants.
    pub(crate) default_variant: Option<usize>,
    /// Absent if empty.
    pub(crate) targeting: Option<Value>,
    /// Of the set, overridden by that of the flag.
    pub(crate) metadata: Map<String, Value>,
}

/// Reads `text`.
///
/// # Errors
/// It is no flag definition.
pub(crate) fn read(text: &str) -> Result<Document, DocumentFault> {
    let reader = Reader { text };
    if text.len() > DOCUMENT_BYTES_MAX {
        let message = format!("{} bytes are more than the {DOCUMENT_BYTES_MAX} that a definition may have", text.len());
        return Err(DocumentFault {
            message,
            line: 1,
            column: 1,
            path: String::new(),
            hint: Some("use several sets".into()),
        });
    }
    let document = serde_json::from_str(text).map_err(|error| DocumentFault::syntax(&error))?;
    let mut document = reader.object(document, &Trail::Document, "a definition is a JSON object with `flags`")?;
    let evaluators = reader.evaluators(document.remove("$evaluators"))?;
    let metadata = reader.metadata(document.remove("metadata"), &Trail::Key(&Trail::Document, "metadata"))?;
    let fractional = reader.fractional_version(&metadata)?;
    let at = Trail::Key(&Trail::Document, "flags");
    let Some(flags) = document.remove("flags") else {
        return Err(reader.fault(
            &Trail::Document,
            "`flags` is missing",
            Some("{\"flags\": {}} is the smallest definition"),
        ));
    };
    let flags = reader.object(flags, &at, "`flags` is an object: the key of each flag, and the flag")?;
    reader.bound(flags.len(), FLAGS_MAX, "flags", &at)?;
    let flags =
        flags.into_iter().map(|(key, flag)| reader.flag(key, flag, &at, &metadata)).collect::<Result<_, _>>()?;
    Ok(Document { flags, evaluators, metadata, fractional })
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn fault(&self, trail: &Trail<'_>, message: impl Into<String>, hint: Option<&str>) -> DocumentFault {
        DocumentFault::at(self.text, trail, message, hint)
    }

    fn object(&self, value: Value, trail: &Trail<'_>, message: &str) -> Result<Map<String, Value>, DocumentFault> {
        match value {
            Value::Object(members) => Ok(members),
            _ => Err(self.fault(trail, message, None)),
        }
    }

    fn bound(&self, count: usize, max: usize, what: &str, trail: &Trail<'_>) -> Result<(), DocumentFault> {
        if count <= max {
            return Ok(());
        }
        Err(self.fault(trail, format!("{count} {what} are more than the {max} allowed"), None))
    }

    fn evaluators(&self, value: Option<Value>) -> Result<Map<String, Value>, DocumentFault> {
        let trail = Trail::Key(&Trail::Document, "$evaluators");
        let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Map::new()) };
        let evaluators =
            self.object(value, &trail, "`$evaluators` is an object: the name of each shared rule, and the rule")?;
        self.bound(evaluators.len(), EVALUATORS_MAX, "shared rules", &trail)?;
        Ok(evaluators)
    }

    fn metadata(&self, value: Option<Value>, trail: &Trail<'_>) -> Result<Map<String, Value>, DocumentFault> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Map::new()) };
        let metadata = self.object(value, trail, "`metadata` is an object of strings, numbers and booleans")?;
        match metadata.iter().find(|(_, value)| value.is_null() || value.is_array() || value.is_object()) {
            Some((name, _)) => Err(self.fault(
                &Trail::Key(trail, name),
                format!("metadata `{name}` is not a string, a number or a boolean"),
                None,
            )),
            None => Ok(metadata),
        }
    }

    fn fractional_version(&self, metadata: &Map<String, Value>) -> Result<FractionalVersion, DocumentFault> {
        match metadata.get(FRACTIONAL_VERSION) {
            None => Ok(FractionalVersion::default()),
            Some(Value::Number(number)) if number.as_f64() == Some(2.0) => Ok(FractionalVersion::V2),
            Some(Value::Number(number)) if number.as_f64() == Some(3.0) => Ok(FractionalVersion::V3),
            Some(_) => {
                let above = Trail::Key(&Trail::Document, "metadata");
                let trail = Trail::Key(&above, FRACTIONAL_VERSION);
                Err(self.fault(&trail, format!("`{FRACTIONAL_VERSION}` is 2 or 3"), Some("leave it out for 2")))
            }
        }
    }

    fn flag(
        &self,
        key: String,
        flag: Value,
        above: &Trail<'_>,
        of_set: &Map<String, Value>,
    ) -> Result<Definition, DocumentFault> {
        let trail = Trail::Key(above, &key);
        if key.is_empty() {
            return Err(self.fault(&trail, "the key of a flag is empty", None));
        }
        let mut flag = self.object(flag, &trail, "a flag is an object with `state` and `variants`")?;
        let state = self.state(flag.get("state"), &trail)?;
        let (kind, variants) = self.variants(flag.remove("variants"), &trail)?;
        let default_variant = self.default_variant(flag.remove("defaultVariant"), &variants, &trail)?;
        let targeting = match flag.remove("targeting") {
            None | Some(Value::Null) => None,
            Some(Value::Object(rule)) => Some(rule).filter(|rule| !rule.is_empty()).map(Value::Object),
            Some(_) => {
                let hint = Some("for one variant for everyone leave it out, and set `defaultVariant`");
                return Err(self.fault(
                    &Trail::Key(&trail, "targeting"),
                    "`targeting` is an object: a JsonLogic rule",
                    hint,
                ));
            }
        };
        let mut metadata = of_set.clone();
        metadata.extend(self.metadata(flag.remove("metadata"), &Trail::Key(&trail, "metadata"))?);
        Ok(Definition { state, kind, variants, default_variant, targeting, metadata, key })
    }

    fn state(&self, state: Option<&Value>, trail: &Trail<'_>) -> Result<FlagState, DocumentFault> {
        match state.map(Value::as_str) {
            Some(Some("ENABLED")) => Ok(FlagState::Enabled),
            Some(Some("DISABLED")) => Ok(FlagState::Disabled),
            Some(_) => Err(self.fault(&Trail::Key(trail, "state"), "`state` is \"ENABLED\" or \"DISABLED\"", None)),
            None => Err(self.fault(trail, "`state` is missing", Some("add \"state\": \"ENABLED\""))),
        }
    }

    fn variants(
        &self,
        variants: Option<Value>,
        above: &Trail<'_>,
    ) -> Result<(FlagKind, Vec<(String, Value)>), DocumentFault> {
        let trail = Trail::Key(above, "variants");
        let hint = Some("e.g. \"variants\": {\"on\": true, \"off\": false}");
        let Some(variants) = variants else { return Err(self.fault(above, "`variants` is missing", hint)) };
        let variants =
            self.object(variants, &trail, "`variants` is an object: the name of each variant, and its value")?;
        self.bound(variants.len(), VARIANTS_MAX, "variants", &trail)?;
        let mut kind = None;
        for (name, value) in &variants {
            let trail = Trail::Key(&trail, name);
            if name.is_empty() {
                return Err(self.fault(&trail, "the name of a variant is empty", None));
            }
            let own = FlagKind::of(value).ok_or_else(|| self.fault(&trail, "the value of a variant is null", None))?;
            if *kind.get_or_insert(own) != own {
                return Err(self.fault(&trail, "the variants of a flag are of one type", None));
            }
            let integer = value.as_u64().or_else(|| value.as_i64().map(i64::unsigned_abs));
            if integer.is_some_and(|size| size > SAFE_INTEGER_MAX) {
                let hint = Some("write it as a string");
                return Err(self.fault(&trail, "the number is one that JavaScript would round (above 2^53 - 1)", hint));
            }
        }
        let kind = kind.ok_or_else(|| self.fault(&trail, "a flag has at least one variant", hint))?;
        let mut variants: Vec<_> = variants.into_iter().collect();
        variants.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok((kind, variants))
    }

    fn default_variant(
        &self,
        name: Option<Value>,
        variants: &[(String, Value)],
        trail: &Trail<'_>,
    ) -> Result<Option<usize>, DocumentFault> {
        let trail = Trail::Key(trail, "defaultVariant");
        match name {
            None | Some(Value::Null) => Ok(None),
            // Both official engines take an empty name for none.
            Some(Value::String(name)) if name.is_empty() => Ok(None),
            Some(Value::String(name)) => match variants.iter().position(|(variant, _)| *variant == name) {
                Some(index) => Ok(Some(index)),
                None => {
                    let names: Vec<&str> = variants.iter().map(|(name, _)| name.as_str()).collect();
                    let hint = format!("one of {}", names.join(", "));
                    Err(self.fault(&trail, format!("`{name}` is no variant of this flag"), Some(&hint)))
                }
            },
            Some(_) => Err(self.fault(&trail, "`defaultVariant` is the name of a variant, or null", None)),
        }
    }
}
