//! `sluice flags list` and `sluice flags get KEY`.

use std::process::ExitCode;

use super::part;
use super::told::Flag;
use crate::commands::ask::AskArgs;
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// What is not there.
const NONE: &str = "-";

/// Arguments of `sluice flags get`.
#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// Key of the flag.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// Asks and prints.
pub(super) fn list(args: &AskArgs) -> anyhow::Result<ExitCode> {
    let told = args.client()?.get("/v1/flags")?;
    args.show(told, |flags: Vec<Flag>| text(&flags, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks and prints.
pub(super) fn get(args: &GetArgs) -> anyhow::Result<ExitCode> {
    let told = args.ask.client()?.get(&format!("/v1/flags/{}", part(&args.key)))?;
    args.ask.show(told, |flag: Flag| one(&flag, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(flags: &[Flag], paint: Paint) -> String {
    if flags.is_empty() {
        return "no flags: `sluice flags import FILE` defines some; [store] switches in sluice.toml names raw keys"
            .to_owned();
    }
    let columns = ["NAME", "SET", "TYPE", "STATE", "VALUE", "VARIANTS", "NOTE"].map(|name| (name, Side::Left));
    table(columns, &flags.iter().map(row).collect::<Vec<_>>(), paint)
}

fn row(flag: &Flag) -> [Cell; 7] {
    let variants: Vec<&str> = flag.variants.keys().map(String::as_str).collect();
    let is_switch = flag.kind == "switch";
    [
        Cell::coloured(&*flag.name, Paint::bold),
        flag.set.clone().unwrap_or_else(|| NONE.to_owned()).into(),
        if is_switch { "switch" } else { &flag.value_type }.into(),
        Cell::coloured(&*flag.state, if flag.state == "ENABLED" { Paint::dim } else { Paint::yellow }),
        Cell::coloured(flag.shown(), colour(flag)),
        if is_switch { NONE.to_owned() } else { variants.join(", ") }.into(),
        Cell::coloured(flag.fault.clone().unwrap_or_default(), Paint::red),
    ]
}

fn colour(flag: &Flag) -> fn(Paint, &str) -> String {
    match &flag.value {
        _ if flag.fault.is_some() => Paint::red,
        Some(value) if *value == true => Paint::green,
        _ => |_, text| text.to_owned(),
    }
}

/// One flag, a line for each thing that is to be known.
pub(super) fn one(flag: &Flag, paint: Paint) -> String {
    let whence = match &flag.set {
        Some(set) => format!("{} flag of the set {set}", flag.value_type),
        None => "switch: a raw key of the store".to_owned(),
    };
    let mut lines = vec![
        format!("{}  {whence}", paint.bold(&flag.name)),
        format!("  value     {}", colour(flag)(paint, &flag.shown())),
    ];
    if flag.kind != "switch" {
        lines.push(format!("  state     {}", flag.state));
        lines.push(format!("  default   {}", flag.default_variant.as_deref().unwrap_or(NONE)));
        lines.extend(flag.variants.iter().map(|(name, value)| format!("  variant   {name} = {value}")));
    }
    if flag.targeting {
        let looks_at = if flag.attributes.is_empty() { NONE.to_owned() } else { flag.attributes.join(", ") };
        lines.push(format!("  rule      looks at {looks_at}; `sluice flags explain {}` carries it out", flag.name));
    }
    lines.extend(flag.metadata.iter().map(|(name, value)| format!("  metadata  {name} = {value}")));
    lines.extend(flag.fault.iter().map(|fault| format!("  {}     {fault}", paint.red("fault"))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flags() -> Vec<Flag> {
        let told = json!([
            {"name": "featureFlags", "kind": "switch", "set": null, "state": "ENABLED", "type": "boolean", "value": true,
             "variants": {"on": true, "off": false}},
            {"name": "new-ui", "kind": "flag", "set": "shop", "state": "ENABLED", "type": "boolean", "value": null,
             "variants": {"off": false, "on": true}, "default_variant": "off", "targeting": true, "attributes": ["email"]},
            {"name": "theme", "kind": "flag", "set": "shop", "state": "ENABLED", "type": "string", "value": "#000",
             "variant": "dark", "variants": {"dark": "#000"}, "default_variant": "dark"},
            {"name": "old", "kind": "flag", "set": "shop", "state": "DISABLED", "type": "string", "variants": {"a": "a"},
             "fault": "no rule"},
        ]);
        serde_json::from_value(told).unwrap()
    }

    #[test]
    fn a_list_says_what_everyone_gets_or_who_decides() {
        let expected = "\
NAME          SET   TYPE     STATE     VALUE           VARIANTS  NOTE
featureFlags  -     switch   ENABLED   on              -
new-ui        shop  boolean  ENABLED   by rule         off, on
theme         shop  string   ENABLED   \"#000\"          dark
old           shop  string   DISABLED  none: at fault  a         no rule";
        assert_eq!(text(&flags(), Paint::none()), expected);
        assert!(text(&[], Paint::none()).contains("sluice flags import"));
    }

    #[test]
    fn one_flag_says_what_its_rule_looks_at() {
        let shown = one(&flags()[1], Paint::none());
        assert!(shown.starts_with("new-ui  boolean flag of the set shop\n  value     by rule\n"), "{shown}");
        assert!(
            shown.contains("  variant   on = true\n  rule      looks at email; `sluice flags explain new-ui`"),
            "{shown}"
        );
    }
}
