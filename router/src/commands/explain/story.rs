//! An explanation as a story: the steps of the request path in their order, one label each.

use sluice_control::{
    Explanation, Outcome, PluginSaid, RolloutSeen, RouteTaken, Said, ServerSeen, TimeLimits, UpstreamSeen,
};

use crate::terminal::Paint;

/// Width of the labels on the left.
const LABEL_WIDTH: usize = 10;

/// Tells the whole.
pub(crate) fn tell(explanation: &Explanation, paint: Paint) -> String {
    let mut story = Story { lines: vec![head(explanation, paint)], paint };
    story.route(explanation);
    story.label("filters", &explanation.filters);
    let plugins: Vec<String> = explanation.plugins.iter().flat_map(|plugin| plugin_lines(plugin, paint)).collect();
    story.label("plugins", &plugins);
    story.label("rollout", &explanation.rollout.iter().map(rollout).collect::<Vec<_>>());
    story.label("outcome", &outcome(&explanation.outcome, paint));
    story.label("limits", &explanation.limits.iter().map(limits).collect::<Vec<_>>());
    story.label("note", &explanation.notes.iter().map(|note| paint.dim(note)).collect::<Vec<_>>());
    story.lines.join("\n")
}

struct Story {
    lines: Vec<String>,
    paint: Paint,
}

impl Story {
    /// Lines under one label, which stands at the first of them.
    fn label(&mut self, label: &str, lines: &[String]) {
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let label = self.paint.dim(&format!("{label:<LABEL_WIDTH$}"));
            self.lines.push(format!("{label}{line}"));
        }
    }

    fn route(&mut self, explanation: &Explanation) {
        let taken = match &explanation.route {
            Some(RouteTaken { name, host, matched }) => {
                format!("{}, for its host {host} and its match {matched}", self.paint.bold(&format!("`{name}`")))
            }
            None => self.paint.red("none"),
        };
        let mut lines = vec![taken];
        lines.extend(
            explanation.others.iter().map(|lost| self.paint.dim(&format!("not `{}`: {}", lost.name, lost.reason))),
        );
        if explanation.others_left_out > 0 {
            lines.push(self.paint.dim(&format!("and {} more further away", explanation.others_left_out)));
        }
        self.label("route", &lines);
    }
}

fn head(explanation: &Explanation, paint: Paint) -> String {
    let request = &explanation.request;
    let query = request.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    let line = paint.bold(&format!("{} http://{}{}{query}", request.method, request.host, request.path));
    let body = request.body_bytes.map_or_else(String::new, |bytes| format!(" with a body of {bytes} bytes"));
    let sent = request.sent_path.as_ref().map_or_else(String::new, |sent| format!(" (asked as {sent})"));
    let of = match explanation.revision {
        0 => String::new(),
        revision => paint.dim(&format!(" on revision {revision}")),
    };
    format!("{line}{body}{sent}{of}")
}

fn plugin_lines(said: &PluginSaid, paint: Paint) -> Vec<String> {
    let verdict = match &said.verdict {
        Said::Skipped { reason } => paint.dim(&format!("not asked: {reason}")),
        Said::Next => "lets it pass".to_owned(),
        Said::Variant { variant } => format!("chooses variant {}", paint.green(variant)),
        Said::Respond { status, body_bytes: 0 } => paint.yellow(&format!("answers {status}")),
        Said::Respond { status, body_bytes } => {
            format!("{} with {body_bytes} bytes", paint.yellow(&format!("answers {status}")))
        }
        Said::Failed { reason, status: Some(status) } => {
            paint.red(&format!("fails ({reason}); the request is refused with {status}"))
        }
        Said::Failed { reason, status: None } => paint.red(&format!("fails ({reason}); the request goes on")),
    };
    let mut lines = vec![format!("`{}` ({}): {verdict}", said.name, said.phase)];
    lines.extend(said.would.iter().map(|would| format!("  {}", paint.yellow(would))));
    lines
}

fn rollout(rollout: &RolloutSeen) -> String {
    let place = match (&rollout.key, rollout.slot, &rollout.variant) {
        (Some(key), Some(slot), Some(variant)) => {
            format!("; {key} puts this user into slot {slot} of 10000, which is {variant}'s")
        }
        (None, ..) => "; nothing in the request names a user".to_owned(),
        _ => String::new(),
    };
    format!("`{}` is {} with {} % for the canary{place}", rollout.name, rollout.state, rollout.weight)
}

fn outcome(outcome: &Outcome, paint: Paint) -> Vec<String> {
    match outcome {
        Outcome::Refused { status, reason } => {
            vec![format!("{}: {reason}", paint.red(&format!("refused with {status}")))]
        }
        Outcome::Answered { by, status, location } => {
            let to = location.as_ref().map_or_else(String::new, |location| format!(": to {location}"));
            vec![format!("{} by {by}{to}", paint.yellow(&format!("answered {status}")))]
        }
        Outcome::Sent { variant, reason, upstreams } => {
            let variant = variant.as_ref().map_or_else(String::new, |variant| format!(", variant {variant}"));
            let only = upstreams.len() == 1;
            let name = |upstream: &UpstreamSeen| {
                let share = if only { String::new() } else { format!(" ({:.2} %)", upstream.share) };
                format!("`{}`{share}", upstream.name)
            };
            let names: Vec<String> = upstreams.iter().map(name).collect();
            let mut lines =
                vec![format!("{}{variant}: {reason}", paint.green(&format!("sent to {}", names.join(" or "))))];
            lines.extend(upstreams.iter().map(servers));
            lines
        }
    }
}

fn servers(upstream: &UpstreamSeen) -> String {
    let server = |server: &ServerSeen| match &server.out {
        Some(reason) => format!("{} ({reason})", server.address),
        None => server.address.clone(),
    };
    let servers: Vec<String> = upstream.servers.iter().map(server).collect();
    let servers = if servers.is_empty() { "none known".to_owned() } else { servers.join(", ") };
    format!("  `{}`: {servers}; {}; {}", upstream.name, upstream.source, upstream.balance)
}

fn limits(limits: &TimeLimits) -> String {
    let retries = match limits.retries {
        0 => "never sent again".to_owned(),
        count => format!("sent again up to {count} times"),
    };
    let statuses: Vec<String> = limits.retry_statuses.iter().map(ToString::to_string).collect();
    let on = if statuses.is_empty() { String::new() } else { format!(", also on {}", statuses.join(", ")) };
    format!(
        "{} in all, {} to connect, {} to the first byte, {} a try; {retries}{on}",
        time(limits.request_ms),
        time(limits.connect_ms),
        time(limits.first_byte_ms),
        time(limits.per_try_ms)
    )
}

/// In the largest unit that says it exactly.
fn time(ms: u128) -> String {
    let units = [(3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match units.into_iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", ms / unit),
        None => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use sluice_control::{RequestSeen, RouteLost};

    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit_that_is_exact() {
        assert_eq!(
            [0, 25, 1_000, 90_000, 60_000, 3_600_000].map(time),
            ["0 ms", "25 ms", "1 s", "90 s", "1 min", "1 h"]
        );
    }

    #[test]
    fn a_story_has_its_steps_in_order() {
        let explanation = Explanation {
            revision: 7,
            request: RequestSeen {
                method: "GET".to_owned(),
                host: "example.org".to_owned(),
                path: "/set".to_owned(),
                sent_path: Some("/a/../set".to_owned()),
                ..RequestSeen::default()
            },
            route: Some(RouteTaken { name: "app".to_owned(), host: "*".to_owned(), matched: "prefix /".to_owned() }),
            others: vec![RouteLost { name: "servers".to_owned(), reason: "its path is /listservers".to_owned() }],
            others_left_out: 2,
            filters: Vec::new(),
            plugins: vec![PluginSaid {
                name: "gate".to_owned(),
                phase: "request".to_owned(),
                verdict: Said::Respond { status: 404, body_bytes: 0 },
                would: vec!["would log at level info: no".to_owned()],
            }],
            rollout: None,
            outcome: Outcome::Answered { by: "plugin `gate`".to_owned(), status: 404, location: None },
            limits: None,
            notes: Vec::new(),
        };
        let expected = "\
GET http://example.org/set (asked as /a/../set) on revision 7
route     `app`, for its host * and its match prefix /
          not `servers`: its path is /listservers
          and 2 more further away
plugins   `gate` (request): answers 404
            would log at level info: no
outcome   answered 404 by plugin `gate`";
        assert_eq!(tell(&explanation, Paint::none()), expected);
    }
}
