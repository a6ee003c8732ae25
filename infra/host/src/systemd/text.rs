//! A unit as text of systemd, and back; what `systemctl show` says of a service. Pure.

use std::fmt::Write as _;

use crate::init::ServiceStatus;
use crate::manifest::ServiceUnit;
use crate::supervisor::RESTARTS_IN_A_ROW_MAX;

/// The line that the unit is read back from. systemd passes over remarks.
const UNIT_REMARK: &str = "# unit: ";
/// Pause before a new start, seconds. systemd 252 has no growing pauses, so it is one between the supervisor's.
const RESTART_SECONDS: u32 = 2;
/// New starts that come within this time count as in a row.
const IN_A_ROW_SECONDS: u32 = 90;

/// The unit file.
pub(super) fn render(unit: &ServiceUnit) -> String {
    let mut text = String::from("# Written by sluice-infra: changes are lost with the next `configure`.\n");
    let json = serde_json::to_string(unit).expect("invariant: a unit has only texts as keys");
    let mut line = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).and_then(|()| text.write_char('\n')).expect("invariant: writing to a text cannot fail");
    };
    line(format_args!("{UNIT_REMARK}{json}"));
    line(format_args!("[Unit]"));
    line(format_args!("Description={}", specifiers(&one_line(&unit.about))));
    line(format_args!("After=network-online.target"));
    line(format_args!("Wants=network-online.target"));
    line(format_args!("StartLimitIntervalSec={IN_A_ROW_SECONDS}"));
    line(format_args!("StartLimitBurst={RESTARTS_IN_A_ROW_MAX}"));
    line(format_args!(""));
    line(format_args!("[Service]"));
    let words: Vec<String> = unit.exec.iter().map(|word| quoted(&word.replace('$', "$$"))).collect();
    line(format_args!("ExecStart={}", words.join(" ")));
    for (name, value) in &unit.env {
        line(format_args!("Environment={}", quoted(&format!("{name}={value}"))));
    }
    if let Some(file) = &unit.env_file {
        line(format_args!("EnvironmentFile=-{}", specifiers(&one_line(file))));
    }
    if let Some(folder) = &unit.folder {
        line(format_args!("WorkingDirectory={}", specifiers(&one_line(folder))));
    }
    line(format_args!("User={}", one_line(&unit.user)));
    line(format_args!("Restart={}", if unit.restart { "always" } else { "no" }));
    line(format_args!("RestartSec={RESTART_SECONDS}"));
    line(format_args!("TimeoutStopSec={}", unit.stop_seconds));
    line(format_args!("KillMode=control-group"));
    line(format_args!("LimitNOFILE=65536"));
    line(format_args!(""));
    line(format_args!("[Install]"));
    line(format_args!("WantedBy=multi-user.target"));
    text
}

/// The unit that a file was rendered from; `None` if it was not.
pub(super) fn parse(text: &str) -> Option<ServiceUnit> {
    let json = text.lines().find_map(|line| line.strip_prefix(UNIT_REMARK))?;
    serde_json::from_str(json).ok()
}

/// What `systemctl show` says.
pub(super) fn status(shown: &str) -> ServiceStatus {
    let property =
        |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    if property("LoadState") == "not-found" {
        return ServiceStatus::Unknown;
    }
    match (property("ActiveState"), property("MainPID").parse()) {
        ("active" | "deactivating" | "reloading", Ok(pid)) if pid > 0 => ServiceStatus::Running { pid },
        ("failed", _) => {
            let (result, code) = (property("Result"), property("ExecMainStatus"));
            ServiceStatus::Failed { reason: format!("ended by itself with {code} ({result})") }
        }
        _ => ServiceStatus::Stopped,
    }
}

/// A word between double quotes: systemd.syntax(7), "Quoting", with its C escapes and specifiers.
fn quoted(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 2);
    text.push('"');
    for letter in specifiers(word).chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if letter.is_ascii_control() => {
                write!(text, "\\x{:02x}", u32::from(letter)).expect("invariant: writing to a text cannot fail");
            }
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

/// `%` begins a specifier; doubled it is itself.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// A setting ends with its line; a backslash at its end would go on in the next.
fn one_line(text: &str) -> String {
    text.replace(|letter: char| letter.is_control(), " ").trim_end_matches('\\').to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::unit::tests::shell;

    fn hostile() -> ServiceUnit {
        let mut unit = shell("app-meow-3000", "echo \"$HOME\" 'a b' 100% \\ \n[Install]\nAlias=evil.service");
        unit.about = "meow, 100 %\n[Service]\nExecStart=/bin/evil\\".into();
        unit.env.insert("NODE_ENV".into(), "a \"b\" $c %d\n[Service]".into());
        unit.env_file = Some("/etc/sluice/redis.env".into());
        unit.folder = Some("/srv".into());
        unit.restart = true;
        unit
    }

    #[test]
    fn a_unit_is_read_back_as_it_was() {
        for unit in [shell("app", "true"), hostile()] {
            assert_eq!(parse(&render(&unit)), Some(unit));
        }
        assert_eq!(parse("[Unit]\nDescription=of somebody else\n"), None);
    }

    #[test]
    fn no_text_of_a_unit_leaves_its_line() {
        let text = render(&hostile());
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('[')).collect();
        assert_eq!(headings, ["[Unit]", "[Service]", "[Install]"]);
        assert_eq!(text.lines().filter(|line| line.starts_with("ExecStart=")).count(), 1);
        assert!(text.contains(r#""echo \"$$HOME\" 'a b' 100%% \\ \n[Install]\nAlias=evil.service""#), "{text}");
        assert!(text.contains(r#"Environment="NODE_ENV=a \"b\" $c %%d\n[Service]""#), "{text}");
    }

    /// `systemd-analyze verify` needs no running systemd. Where it is not installed there is nothing to ask.
    #[test]
    fn systemd_itself_finds_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        for unit in [shell("sluice-agent", "true"), hostile()] {
            let path = folder.path().join(format!("{}.service", unit.name));
            std::fs::write(&path, render(&unit)).unwrap();
            let Ok(output) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output() else {
                return;
            };
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let ours: Vec<&str> = said.lines().filter(|line| line.contains(&unit.name)).collect();
            assert!(output.status.success() && ours.is_empty(), "{said}");
        }
    }

    #[test]
    fn the_state_of_a_service_is_read() {
        let running = "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=42\n";
        assert_eq!(status(running), ServiceStatus::Running { pid: 42 });
        assert_eq!(status("LoadState=not-found\nActiveState=inactive\nMainPID=0\n"), ServiceStatus::Unknown);
        assert_eq!(
            status("LoadState=loaded\nActiveState=inactive\nMainPID=0\nResult=success\n"),
            ServiceStatus::Stopped
        );
        let failed = status("LoadState=loaded\nActiveState=failed\nMainPID=0\nResult=exit-code\nExecMainStatus=3\n");
        assert_eq!(failed, ServiceStatus::Failed { reason: "ended by itself with 3 (exit-code)".into() });
        let pausing = "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nMainPID=0\n";
        assert_eq!(status(pausing), ServiceStatus::Stopped);
    }
}
