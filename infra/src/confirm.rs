//! Consent, before something costs or goes. Never a prompt without a terminal: a script says `--yes`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};

use crate::context::Context;

/// What the user has to type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word<'w> {
    /// `yes`.
    Yes,
    /// The name of the fleet: what goes does not come back.
    Fleet(&'w str),
}

/// True if the user agrees: by `--yes`, or by typing it on a terminal.
///
/// # Errors
/// Without a terminal and `--yes`.
#[expect(clippy::print_stderr, reason = "a prompt stands on the terminal, not in the result")]
pub(crate) fn agreed(context: &Context, yes: bool, question: &str, word: Word<'_>) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    let stdin = std::io::stdin();
    if context.json() || !stdin.is_terminal() || !std::io::stderr().is_terminal() {
        bail!("{question} Nobody can be asked here: add --yes to do it");
    }
    let expected = match word {
        Word::Yes => "yes",
        Word::Fleet(name) => name,
    };
    eprint!("{question} Type `{expected}` to go on: ");
    std::io::stderr().flush().context("write the question")?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).context("read the answer")?;
    Ok(answer.trim() == expected)
}
