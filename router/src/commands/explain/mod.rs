//! `sluice explain`: what would become of a request, of the files of a folder or of a running router.

mod story;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use sluice_control::{Assumed, Explanation, OfflineError, Question};
use sluice_model::weight::BasisPoints;
use sluice_wasm::Engine;

use super::{check, folders, print};
use crate::admin::{AdminClient, TokenArgs};
use crate::terminal::Paint;

/// Arguments of `sluice explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// Method of the request.
    #[arg(value_name = "METHOD")]
    method: String,
    /// `http://HOST/PATH?QUERY`, or /PATH with -H 'host: HOST'.
    #[arg(value_name = "URL")]
    url: String,
    /// A sluice.toml, or the folder that holds it or its routes.d.
    #[arg(value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// A header field of the request; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Bytes of the request's body, as its head declares them.
    #[arg(long, value_name = "N")]
    body_bytes: Option<u64>,
    /// Address of the client [default: 127.0.0.1].
    #[arg(long, value_name = "IP")]
    client: Option<IpAddr>,
    /// Take a flag as on or off; files do not say. May be repeated.
    #[arg(long = "flag", value_name = "NAME=on|off", value_parser = flag, conflicts_with = "admin")]
    flags: Vec<(String, bool)>,
    /// Take a rollout as running at this weight, in percent. May be repeated.
    #[arg(long = "rollout", value_name = "NAME=PERCENT", value_parser = rollout, conflicts_with = "admin")]
    rollouts: Vec<(String, BasisPoints)>,
    /// Ask the router with this admin address in place of files.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    #[command(flatten)]
    token: TokenArgs,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Explains and prints.
pub(crate) fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let question = Question {
        method: args.method.clone(),
        url: args.url.clone(),
        headers: args.headers.clone(),
        body_bytes: args.body_bytes,
        client: args.client,
    };
    let explanation = match &args.admin {
        Some(address) => AdminClient::new(address, args.token.token.as_deref())?.post("/v1/explain", &question)?,
        None => offline(args, &question)?,
    };
    if args.json {
        print(&serde_json::to_string_pretty(&explanation).context("write the explanation")?);
    } else {
        print(&story::tell(&explanation, Paint::stdout()));
    }
    Ok(ExitCode::SUCCESS)
}

fn offline(args: &ExplainArgs, question: &Question) -> anyhow::Result<Explanation> {
    let folders = folders(&args.path)?;
    let engine = Engine::new().context("start the plugin engine")?;
    let assumed =
        Assumed { flags: args.flags.iter().cloned().collect(), rollouts: args.rollouts.iter().cloned().collect() };
    sluice_control::explain_folder(&engine, &folders, question, &assumed).map_err(|error| match error {
        OfflineError::Faults(faults) => {
            let shown = check::faults(&faults, Paint::stdout());
            anyhow!("a router would refuse this folder\n\n{}", shown.trim_end())
        }
        error => error.into(),
    })
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write 'NAME: VALUE'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn flag(text: &str) -> Result<(String, bool), String> {
    const FORM: &str = "write NAME=on or NAME=off";
    let (name, value) = text.split_once('=').ok_or(FORM)?;
    match value {
        "on" | "true" => Ok((name.to_owned(), true)),
        "off" | "false" => Ok((name.to_owned(), false)),
        _ => Err(FORM.to_owned()),
    }
}

fn rollout(text: &str) -> Result<(String, BasisPoints), String> {
    let (name, percent) = text.split_once('=').ok_or("write NAME=PERCENT")?;
    let percent: f64 = percent.trim_end_matches('%').parse().map_err(|_| "the weight is a number of percent")?;
    Ok((name.to_owned(), BasisPoints::from_percent(percent).map_err(|error| error.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assumptions_are_read_as_people_write_them() {
        assert_eq!(header("x-user: tom:1").unwrap(), ("x-user".to_owned(), "tom:1".to_owned()));
        assert_eq!(flag("a=on").unwrap(), ("a".to_owned(), true));
        assert!(flag("a").is_err() && flag("a=maybe").is_err() && header("x").is_err());
        assert_eq!(rollout("demo=12.5%").unwrap().1.get(), 1_250);
        assert!(rollout("demo=101").is_err() && rollout("demo=x").is_err());
    }
}
