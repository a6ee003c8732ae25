// The dashboard: asks the JSON API whenever /v1/events says so, and draws what it answers. No state of its own
// but the last two minutes of request counts. A part is drawn again only when its answer differs: a button that is
// replaced between press and release gets no click, and one that is replaced at all loses the keyboard's focus.

import { showAlerts, showDead, showFiring, showSilences } from "./alerts.js";
import { showAudit, showFlags } from "./flags.js";
import { authorization, badge, call, clock, drawing, element, find, percent, rememberToken, span, table } from "./page.js";
import { showPlugins } from "./plugins.js";
import { showRollouts } from "./rollouts.js";

const WINDOW_SECONDS = 120;
const SERIES = 4;
const history = [];

function showStatus(status) {
  const store = status.store.connected ? `${status.store.kind} store` : `${status.store.kind} store AWAY`;
  find("#summary").textContent = `revision ${status.revision} · ${status.state} · ${store}`;
  find("#summary").className = status.state === "ok" ? "" : "bad";
  find("#faults").hidden = status.faults.length === 0;
  find("#faults > div").replaceChildren(...status.faults.map((fault) => {
    const at = fault.line ? `:${fault.line}:${fault.column}` : "";
    const place = fault.file ? `${fault.file}${at}: ` : `${fault.source} ${fault.subject}: `;
    const hint = fault.hint ? `\nhint: ${fault.hint}` : "";
    return element("pre", { className: "bad", textContent: place + fault.message + hint });
  }));
  showStore(status.store);
}

// How old what this router acts on may be: nothing while the store answers.
function showStore(store) {
  const facts = [
    ["store", `${store.kind}, ${store.connected ? "connected" : "AWAY"} since ${clock(store.since_ms)}`],
    ["age of state", store.connected ? "as the store has it now" : `${span(store.age_ms)} old: what was last seen counts`],
    ["why", store.error],
  ];
  find("#store > dl").replaceChildren(...facts.filter(([, text]) => text).flatMap(([name, text]) =>
    [element("dt", { textContent: name }), element("dd", { className: store.connected ? "" : "bad", textContent: text })]));
}

function showServers(servers) {
  const rows = servers.map((server) => [server.id, server.addr, server.app, server.variant, server.release, badge(server.draining ? "draining" : "live", server.draining ? "warm" : "good"),
    percent(server.cpu), percent(server.mem), `${(server.lease_ms / 1000).toFixed(0)} s`]);
  table("#servers", ["id", "address", "app", "variant", "release", "state", "cpu", "memory", "lease"], rows, "no server holds a lease");
}

function remember(traffic) {
  const counts = {};
  for (const row of traffic.routes) {
    const total = Object.values(row.requests).reduce((sum, count) => sum + count, 0);
    const name = row.variant || "none";
    counts[name] = (counts[name] || 0) + total;
  }
  history.push({ at: traffic.at_ms, counts });
  while (history.length > 2 && history[0].at < traffic.at_ms - WINDOW_SECONDS * 1000) history.shift();
}

// Rates between samples that are at least half a second apart.
function rates(name) {
  const points = [];
  let last = history[0];
  for (const sample of history.slice(1)) {
    const seconds = (sample.at - last.at) / 1000;
    if (seconds < 0.5) continue;
    points.push({ at: sample.at, rate: Math.max(0, ((sample.counts[name] || 0) - (last.counts[name] || 0)) / seconds) });
    last = sample;
  }
  return points;
}

function drawTraffic(traffic) {
  remember(traffic);
  const names = [...new Set(history.flatMap((sample) => Object.keys(sample.counts)))].sort((a, b) => (a === "none") - (b === "none") || b.localeCompare(a));
  const series = names.map((name) => ({ name, points: rates(name) }));
  const top = Math.max(1, ...series.flatMap((line) => line.points.map((point) => point.rate)));
  const svg = find("#traffic svg");
  const now = traffic.at_ms;
  svg.replaceChildren(...series.map((line, index) => {
    const place = (point) => `${(1200 * (1 - (now - point.at) / (WINDOW_SECONDS * 1000))).toFixed(1)},${(195 - 185 * (point.rate / top)).toFixed(1)}`;
    return drawing("polyline", { points: line.points.map(place).join(" "), class: `series-${index % SERIES}` });
  }));
  find("#traffic .legend").replaceChildren(...series.map((line, index) => {
    const current = line.points.length ? line.points[line.points.length - 1].rate : 0;
    const total = history[history.length - 1].counts[line.name] || 0;
    return element("span", { className: `series-${index % SERIES}`, textContent: `■ ${line.name}: ${current.toFixed(1)}/s, ${total} in all` });
  }), element("span", { className: "soft", textContent: `scale: ${top.toFixed(0)}/s` }));
}

const VIEWS = [
  ["status", showStatus], ["traffic", drawTraffic], ["rollouts", showRollouts], ["flags", showFlags], ["audit?limit=8", showAudit],
  ["servers", showServers], ["alerts/firing", showFiring], ["alerts?limit=20", showAlerts], ["alerts/silences", showSilences], ["alerts/dead?limit=20", showDead], ["plugins", showPlugins],
];
// Show time that passes, and are brought up to date in place.
const COUNTS_DOWN = ["plugins", "rollouts"];
const drawn = {};
let refreshing = false;
let again = false;

async function draw(name, show) {
  const answer = await call("GET", `/v1/${name}`);
  const text = JSON.stringify(answer);
  if (drawn[name] === text && !COUNTS_DOWN.includes(name)) return;
  show(answer);
  drawn[name] = text;
}

async function refresh() {
  if (refreshing) { again = true; return; }
  refreshing = true;
  const asked = VIEWS.map(([name, show]) => draw(name, show));
  const failed = (await Promise.allSettled(asked)).find((result) => result.status === "rejected");
  if (failed) {
    find("#summary").textContent = `not connected: ${failed.reason.message}`;
    find("#summary").className = "bad";
    delete drawn.status;
  }
  refreshing = false;
  if (again) { again = false; await refresh(); }
}

// EventSource cannot send a token, so the stream is read by fetch.
async function listen() {
  for (;;) {
    try {
      const response = await fetch("/v1/events", { headers: authorization() });
      if (!response.ok) throw new Error(response.statusText);
      const reader = response.body.getReader();
      while (!(await reader.read()).done) await refresh();
    } catch {
      await refresh();
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

find("#token").onsubmit = (event) => {
  event.preventDefault();
  rememberToken(find("#token input").value);
  find("#token").hidden = true;
  refresh();
};
document.addEventListener("changed", refresh);
refresh();
listen();
