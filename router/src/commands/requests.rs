//! `sluice requests` and `sluice why`: what became of the last requests, as the router kept it.

use std::process::ExitCode;

use serde_json::Value;

use super::ask::AskArgs;
use crate::terminal::Paint;

/// Arguments of `sluice requests`.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestsArgs {
    /// How many, newest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    newest: usize,
    #[command(flatten)]
    ask: AskArgs,
}

/// Arguments of `sluice why`.
#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    /// Id of the request: `x-sluice-request-id` of its response, or `request_id` of the access log.
    #[arg(value_name = "REQUEST_ID")]
    request_id: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// Lists the last requests.
pub(crate) fn requests(args: &RequestsArgs) -> anyhow::Result<ExitCode> {
    let told = args.ask.client()?.get(&format!("/v1/requests?limit={}", args.newest))?;
    args.ask.show(told, |told: Value| list(&told, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// Tells the story of one request.
pub(crate) fn why(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let told = args.ask.client()?.get(&format!("/v1/requests/{}", args.request_id))?;
    args.ask.show(told, |told: Value| story(&told, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// A field as text; `-` where there is none.
fn field(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn status(value: &Value, paint: Paint) -> String {
    let status = field(value, "status");
    match status.as_bytes().first() {
        Some(b'2' | b'3') => paint.green(&status),
        Some(b'4') => paint.yellow(&status),
        _ => paint.red(&status),
    }
}

fn list(told: &Value, paint: Paint) -> String {
    let lines: Vec<String> = told.as_array().into_iter().flatten().map(|request| line(request, paint)).collect();
    if lines.is_empty() { "no request yet".to_owned() } else { lines.join("\n") }
}

/// `TIME ID STATUS METHOD HOST PATH ROUTE REASON TOOK`.
fn line(request: &Value, paint: Paint) -> String {
    let of = |name: &str| field(request, name);
    let reason = request["reason"].as_str().map_or_else(String::new, |reason| format!(" ({reason})"));
    format!(
        "{}  {}  {}  {} http://{}{}  {}{}  {}",
        paint.dim(&of("time")),
        of("request_id"),
        status(request, paint),
        of("method"),
        of("host"),
        of("path"),
        of("route"),
        paint.yellow(&reason),
        micros(request["duration_us"].as_u64().unwrap_or_default())
    )
}

/// What happened, in order of time, each step with the time since the head of the request.
fn story(request: &Value, paint: Paint) -> String {
    let of = |name: &str| field(request, name);
    let head = format!("{} http://{}{}", of("method"), of("host"), of("path"));
    let mut lines = vec![
        format!("{} {}", paint.bold(&head), paint.dim(&format!("by {} over {}", of("client"), of("protocol")))),
        paint.dim(&format!("{} at {}, on revision {}", of("request_id"), of("time"), of("revision"))),
    ];
    if request["route"].is_null() {
        lines.push(step(0, &paint.red("takes no route")));
    } else {
        lines.push(step(0, &format!("takes route `{}`", of("route"))));
    }
    let mut steps: Vec<(u64, String)> = Vec::new();
    steps.extend(entries(request, "steps").map(|said| (at(said), plugin_step(said, paint))));
    steps.extend(entries(request, "attempts").map(|tried| (at(tried), attempt(request, tried, paint))));
    // Stable: where two have one time, plugins come before servers.
    steps.sort_by_key(|(at, _)| *at);
    let chosen = variant(request);
    let first_attempt = entries(request, "attempts").map(at).min();
    for (index, (at, text)) in steps.iter().enumerate() {
        let is_first_attempt = Some(*at) == first_attempt && steps[..index].iter().all(|(before, _)| before < at);
        if let (true, Some(chosen)) = (is_first_attempt, &chosen) {
            lines.push(step(*at, chosen));
        }
        lines.push(step(*at, text));
    }
    lines.push(step(request["duration_us"].as_u64().unwrap_or_default(), &ending(request, paint)));
    lines.join("\n")
}

fn entries<'a>(request: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    request[name].as_array().into_iter().flatten()
}

fn at(value: &Value) -> u64 {
    value["at_us"].as_u64().unwrap_or_default()
}

/// Width of the times on the left: `999.999 s`.
const TIME_WIDTH: usize = 10;

fn step(at_us: u64, text: &str) -> String {
    format!("{:>TIME_WIDTH$}  {text}", micros(at_us))
}

fn plugin_step(said: &Value, paint: Paint) -> String {
    let (plugin, phase) = (field(said, "plugin"), field(said, "phase"));
    let verdict = match said["verdict"].as_str().unwrap_or_default() {
        "next" => "lets it pass".to_owned(),
        "variant" => format!("chooses variant {}", paint.green(&field(said, "variant"))),
        "respond" => paint.yellow(&format!("answers {}", field(said, "status"))),
        "done" => "has seen enough of the body".to_owned(),
        "failed_open" => paint.red(&format!("{}; the request goes on without it", failure(said))),
        "failed_closed" => paint.red(&format!("{}; the request is refused", failure(said))),
        other => other.to_owned(),
    };
    let edits = match said["edits"].as_u64() {
        None => String::new(),
        Some(1) => ", with an edit".to_owned(),
        Some(edits) => format!(", with {edits} edits"),
    };
    let trial = said["digest"].as_str().map_or_else(String::new, |digest| format!(", digest {digest} on trial"));
    format!("plugin `{plugin}` ({phase}{trial}): {verdict}{edits}")
}

/// How a plugin failed.
fn failure(said: &Value) -> String {
    match said["cause"].as_str().unwrap_or_default() {
        "quarantined" => "is quarantined".to_owned(),
        "missing" => "has no instance".to_owned(),
        "load" => "could not be loaded".to_owned(),
        "" => "fails".to_owned(),
        cause => format!("fails ({cause})"),
    }
}

fn variant(request: &Value) -> Option<String> {
    let variant = request["variant"].as_str()?;
    let by = match request["variant_by"].as_str().unwrap_or_default() {
        "plugin" => "a plugin chose it",
        "weight" => "by weight",
        "override" => "a signed override",
        "rollout_aborted" => "the rollout is aborted",
        "no_canary_lives" => "no server of the canary lives",
        other => other,
    };
    Some(format!("goes to variant `{variant}`: {by}"))
}

fn attempt(request: &Value, tried: &Value, paint: Paint) -> String {
    let (server, upstream) = (field(tried, "server"), field(request, "upstream"));
    let took = micros(tried["took_us"].as_u64().unwrap_or_default());
    let outcome = match tried["outcome"].as_str().unwrap_or_default() {
        "answered" => format!("answers {} after {took}", status(tried, paint)),
        "failed" => paint.red(&format!("fails after {took}: {}", field(tried, "reason"))),
        _ => paint.yellow("the client leaves before it answers"),
    };
    format!("server {server} of `{upstream}`: {outcome}")
}

fn ending(request: &Value, paint: Paint) -> String {
    let bytes = format!("{} bytes in, {} out", field(request, "bytes_in"), field(request, "bytes_out"));
    let reason = request["reason"].as_str().map_or_else(String::new, |reason| format!(", reason {reason}"));
    if request["status"].is_null() {
        format!("{}; {bytes}{reason}", paint.red("the client left before an answer was decided"))
    } else {
        format!("over with {}; {bytes}{}", status(request, paint), paint.yellow(&reason))
    }
}

/// `850 us`, `1.250 ms`, `3.000 s`.
fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{}.{:03} ms", us / 1_000, us % 1_000),
        _ => format!("{}.{:03} s", us / 1_000_000, us / 1_000 % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_story_goes_by_time_from_head_to_end() {
        let request = json!({
            "time": "2026-01-01T00:00:00.000Z", "request_id": "r1", "client": "192.0.2.1", "protocol": "HTTP/1.1",
            "method": "GET", "host": "a.example", "path": "/x", "status": 200, "reason": null, "route": "app",
            "variant": "canary", "variant_by": "plugin", "upstream": "canary", "bytes_in": 0, "bytes_out": 12,
            "duration_us": 3_250, "revision": 4,
            "steps": [
                {"plugin": "canary", "phase": "request", "verdict": "variant", "variant": "canary", "at_us": 40},
                {"plugin": "tag", "phase": "response", "verdict": "next", "at_us": 3_100},
            ],
            "attempts": [
                {"server": "10.0.0.1:80", "outcome": "failed", "reason": "connect_refused", "at_us": 90, "took_us": 400},
                {"server": "10.0.0.2:80", "outcome": "answered", "status": 200, "at_us": 520, "took_us": 2_500},
            ],
        });
        let expected = "\
GET http://a.example/x by 192.0.2.1 over HTTP/1.1
r1 at 2026-01-01T00:00:00.000Z, on revision 4
      0 us  takes route `app`
     40 us  plugin `canary` (request): chooses variant canary
     90 us  goes to variant `canary`: a plugin chose it
     90 us  server 10.0.0.1:80 of `canary`: fails after 400 us: connect_refused
    520 us  server 10.0.0.2:80 of `canary`: answers 200 after 2.500 ms
  3.100 ms  plugin `tag` (response): lets it pass
  3.250 ms  over with 200; 0 bytes in, 12 out";
        assert_eq!(story(&request, Paint::none()), expected);
        let listed = list(&json!([request]), Paint::none());
        assert!(listed.ends_with("r1  200  GET http://a.example/x  app  3.250 ms"), "{listed}");
    }

    #[test]
    fn plugins_that_fail_edit_or_are_on_trial_say_so() {
        let step = |said: Value| plugin_step(&said, Paint::none());
        for (said, told) in [
            (json!({"verdict": "failed_closed", "cause": "quarantined"}), "is quarantined; the request is refused"),
            (
                json!({"verdict": "failed_open", "cause": "deadline"}),
                "fails (deadline); the request goes on without it",
            ),
            (json!({"verdict": "next", "edits": 2}), "lets it pass, with 2 edits"),
            (json!({"verdict": "done"}), "has seen enough of the body"),
        ] {
            let mut said = said;
            (said["plugin"], said["phase"]) = ("p".into(), "request".into());
            assert_eq!(step(said.clone()), format!("plugin `p` (request): {told}"));
            said["digest"] = "0123456789ab".into();
            assert!(step(said).starts_with("plugin `p` (request, digest 0123456789ab on trial): "));
        }
    }

    #[test]
    fn what_took_no_route_and_got_no_answer_is_told_too() {
        let request =
            json!({"request_id": "r", "status": null, "reason": "client_closed", "steps": [], "attempts": []});
        let told = story(&request, Paint::none());
        assert!(told.contains("takes no route") && told.contains("the client left"), "{told}");
        assert_eq!(list(&json!([]), Paint::none()), "no request yet");
        assert_eq!(micros(12_345_678), "12.345 s");
    }
}
