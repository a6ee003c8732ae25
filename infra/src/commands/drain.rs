//! `drain`: a droplet takes no new requests, for maintenance; and takes them again.

use std::process::ExitCode;

use crate::context::Context;
use crate::machines;
use crate::runtime::block_on;
use crate::session::Session;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Returns once no request is in flight there any more. It stays so, also over deploys, until it is taken back.

  sluice-infra drain production-x7k2m4
  sluice-infra drain production-x7k2m4 --undo")]
pub(crate) struct Args {
    /// Name of the droplet, or the beginning of what follows the fleet's name in it
    droplet: String,

    /// Take requests again
    #[arg(long)]
    undo: bool,
}

/// Asks its agent.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (word, end) = if args.undo { ("undrain", "takes requests again") } else { ("drain", "takes no requests") };
    block_on(async {
        let session = Session::to_read(context, "drain").await?;
        let droplet = machines::named(&session, &args.droplet).await?;
        let deed = machines::ask(context, &session, &droplet, word);
        session.audited(&format!("{word} {}", droplet.name), deed, |()| end.to_owned()).await?;
        context.say(&format!("{} {end}", droplet.name));
        Ok(ExitCode::SUCCESS)
    })
}
