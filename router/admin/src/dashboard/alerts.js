// The panel of alerts: what is up now, what was raised and who was told, what is silenced, and notices that no sink took.

import { badge, change, clock, element, find, span, table } from "./page.js";

const SILENCE_SECONDS = 3600;
const WHY = "on the dashboard";
// What became of a notice at a sink.
const OUTCOMES = { told: "told", known: "told before", failed: "fails, is tried again", dead: "given up" };

const prose = (text) => element("span", { className: "prose", textContent: text });

function button(text, label, onclick) {
  const node = element("button", { textContent: text, ariaLabel: label });
  node.onclick = onclick;
  return node;
}

// One table of the panel; without rows it is not there, unless it says something else then.
function part(id, headings, rows, empty) {
  find(id).hidden = rows.length === 0 && !empty;
  table(id, headings, rows, empty || "");
}

export function showAlerts(alerts) {
  part("#recent", ["time", "rule", "message", "observed", "variant", "aborted", "told", "request"], alerts.map((alert) => [
    clock(alert.at_ms), element("span", {}, alert.rule, alert.status === "resolved" ? badge("resolved", "good") : ""), prose(alert.message),
    alert.limit ? `${alert.observed} > ${alert.limit}` : "–", alert.variant, alert.rollout, told(alert), alert.request_id || "–",
  ]), "no alerts");
}

function told(alert) {
  if (alert.silenced) return badge("silenced", "soft");
  const sinks = Object.entries(alert.deliveries || {});
  if (sinks.length === 0) return "–";
  return prose(sinks.map(([sink, { state, tries, error }]) => `${sink}: ${OUTCOMES[state] || state}${error ? ` after ${tries} tries: ${error}` : ""}`).join(", "));
}

export function showFiring(firing) {
  const now = Date.now();
  part("#firing", ["rule", "message", "for", "seen", ""], firing.map(({ alert, seen_ms }) => [
    element("strong", { className: "bad", textContent: alert.rule }), prose(alert.message), span(Math.max(0, now - alert.at_ms)), clock(seen_ms),
    button("silence for 1 h", `silence ${alert.rule} for an hour`,
      () => change("POST", "/v1/alerts/silences", { rule: alert.rule, seconds: SILENCE_SECONDS, reason: WHY })),
  ]));
}

export function showSilences(silences) {
  const what = ({ rule, route, fingerprint }) => [rule && `rule ${rule}`, route && `route ${route}`, fingerprint].filter(Boolean).join(", ") || "everything";
  part("#silences", ["silenced", "until", "by", "why", ""], silences.map((silence) => [
    prose(what(silence)), clock(silence.until_ms), silence.by, prose(silence.reason),
    button("end", `end the silence of ${what(silence)}`, () => change("DELETE", `/v1/alerts/silences/${encodeURIComponent(silence.id)}`)),
  ]));
}

export function showDead(letters) {
  part("#dead", ["given up", "rule", "sink", "why", "tries", ""], letters.map((letter) => [
    clock(letter.at_ms), letter.alert.rule, letter.sink, prose(letter.error), letter.attempts,
    button("replay", `replay the notice of ${letter.alert.rule} to ${letter.sink}`, () => change("POST", `/v1/alerts/dead/${encodeURIComponent(letter.entry)}/replay`)),
  ]));
}
