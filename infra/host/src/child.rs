//! Programs that are not ours: fed, read and waited for at the same time, within bounds.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

use crate::remote::Output;

/// Most of each stream that is kept; what comes after it is read and dropped, so that the program can end.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Status of a program that a signal ended: none of its own. ssh says the same of itself when it did not get through.
const KILLED: i32 = 255;

/// Feeds it and reads both its streams at the same time: a full pipe in either direction would be a standstill.
pub(crate) async fn converse(mut child: Child, input: &mut (dyn AsyncRead + Send + Unpin)) -> std::io::Result<Output> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = async {
        let Some(mut stdin) = stdin else { return Ok(()) };
        let fed = tokio::io::copy(input, &mut stdin).await.map(drop);
        match fed.and(stdin.shutdown().await) {
            // It ended without reading all: its status says why.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    };
    let (fed, stdout, stderr) = tokio::join!(feeding, bounded(stdout), bounded(stderr));
    fed?;
    let status = child.wait().await?;
    Ok(Output {
        status: status.code().unwrap_or(KILLED),
        stdout: stdout?,
        stderr: String::from_utf8_lossy(&stderr?).into_owned(),
    })
}

/// The first [`OUTPUT_BYTES_MAX`] of a stream, which is read to its end.
async fn bounded(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let Some(mut stream) = stream else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    let bytes_max = u64::try_from(OUTPUT_BYTES_MAX).unwrap_or(u64::MAX);
    (&mut stream).take(bytes_max).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(kept)
}

/// The last line of a complaint: what programs give as the reason.
pub(crate) fn last_line(text: &str) -> String {
    text.trim_end().lines().next_back().unwrap_or("no reason given").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;

    use super::*;

    #[tokio::test]
    async fn output_is_kept_up_to_its_bound_and_read_to_its_end() {
        for (bytes, kept) in [(OUTPUT_BYTES_MAX, OUTPUT_BYTES_MAX), (OUTPUT_BYTES_MAX + 1, OUTPUT_BYTES_MAX)] {
            let mut command = Command::new("head");
            command.arg("-c").arg(bytes.to_string()).arg("/dev/zero");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let output = converse(command.spawn().unwrap(), &mut tokio::io::empty()).await.unwrap();
            assert_eq!((output.status, output.stdout.len()), (0, kept));
        }
    }
}
