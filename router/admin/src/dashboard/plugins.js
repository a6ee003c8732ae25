// The panel of plugins: a card for each, made once and brought up to date in place, so that figures which move each second
// take neither a click nor the keyboard's focus away. A rollback is asked for in a dialog that names both digests.

import { badge, bytes, call, change, count, drawing, element, find, nanos, short, span } from "./page.js";

const WINDOW_MS = 120_000;
const TONES = { active: "good", refused: "bad", unused: "soft", empty: "warm" };
const KINDS = ["next", "variant", "respond", "edit", "done"];
// The scale of times, logarithmic: a cheap call into a component, and the longest that a call may take by default.
const [TIME_MIN_NS, TIME_MAX_NS] = [100, 10_000_000];
const cards = new Map();

const sum = (counts) => Object.values(counts || {}).reduce((total, value) => total + value, 0);
const some = (counts) => Object.entries(counts || {}).filter(([, value]) => value > 0);
const told = (counts) => some(counts).map(([name, value]) => `${name} ${count(value)}`).join(", ");
const pathOf = (plugin, verb) => `/v1/plugins/${encodeURIComponent(plugin.name)}/${verb}`;

export function showPlugins(plugins) {
  const box = find("#plugins > div");
  const names = new Set(plugins.map((plugin) => plugin.name));
  for (const [name, card] of cards) {
    if (!names.has(name)) {
      card.node.remove();
      cards.delete(name);
    }
  }
  for (const plugin of plugins) {
    if (!cards.has(plugin.name)) cards.set(plugin.name, new Card(plugin.name));
    cards.get(plugin.name).update(plugin, Date.now());
  }
  const order = plugins.map((plugin) => cards.get(plugin.name).node);
  if (order.length === 0) order.push(element("p", { className: "soft", textContent: "no plugins" }));
  // A node that is put in its own place again would lose the focus.
  if (order.length !== box.children.length || order.some((node, index) => box.children[index] !== node)) box.replaceChildren(...order);
}

class Card {
  constructor(name) {
    this.samples = [];
    const fact = (title, node) => element("div", {}, element("h3", { textContent: title }), node);
    const button = (text, className, onclick) => element("button", { textContent: text, className, onclick, ariaLabel: `${text} ${name}` });
    this.state = badge("", "soft");
    this.identity = element("span", { className: "soft" });
    this.back = button("roll back", "danger", () => askForRollback(this.plugin));
    this.release = button("release", "", () => change("POST", pathOf(this.plugin, "release"), {}));
    this.notes = element("div");
    this.trial = new Trial(() => this.plugin, button);
    this.times = element("dl", { className: "times" });
    this.mix = element("div");
    this.calls = drawing("svg", { viewBox: "0 0 120 30", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" });
    this.rate = element("p");
    this.failed = element("p");
    this.memory = element("p");
    this.facts = element("div", { className: "facts" }, fact("time per call, p50 to p99", this.times), fact("verdicts", this.mix),
      fact("calls", element("div", {}, this.calls, this.rate)), fact("failures, memory", element("div", {}, this.failed, this.memory)));
    this.node = element("article", { className: "plugin", id: `plugin-${name}` },
      element("div", { className: "row" }, element("strong", { textContent: name }), this.state, this.identity, element("span", { className: "gap" }), this.release, this.back),
      this.notes, this.trial.node, this.facts);
  }

  update(plugin, now) {
    this.plugin = plugin;
    const stats = plugin.stats || {};
    this.state.textContent = plugin.state;
    this.state.className = `badge ${TONES[plugin.state] || "soft"}`;
    const known = [plugin.version && `version ${plugin.version}`, short(plugin.digest), plugin.generation && `generation ${plugin.generation}`];
    this.identity.textContent = known.filter(Boolean).join(" · ");
    this.identity.title = plugin.digest || "";
    this.back.hidden = plugin.state !== "active" && plugin.state !== "empty";
    this.release.hidden = !plugin.held;
    this.notes.replaceChildren(...notes(plugin, now).map(([tone, text]) => element("p", { className: `text ${tone}`, textContent: text })));
    this.trial.update(plugin, now);
    this.facts.hidden = plugin.state !== "active";
    showTimes(this.times, stats.time);
    showMix(this.mix, stats.verdicts);
    this.showCalls(sum(stats.calls), now);
    const failed = told(stats.failures);
    this.failed.textContent = failed || "none failed";
    this.failed.className = failed ? "bad" : "soft";
    this.memory.textContent = stats.memory_bytes ? bytes(stats.memory_bytes) : "–";
  }

  showCalls(calls, now) {
    const last = this.samples[this.samples.length - 1];
    if (last && calls < last.calls) this.samples = [];
    this.samples.push({ at: now, calls });
    while (this.samples.length > 2 && this.samples[0].at < now - WINDOW_MS) this.samples.shift();
    const rates = this.samples.slice(1).map((sample, index) => {
      const before = this.samples[index];
      return { at: sample.at, rate: (sample.calls - before.calls) * 1000 / Math.max(1, sample.at - before.at) };
    });
    const top = Math.max(1, ...rates.map((point) => point.rate));
    const place = (point) => `${(120 * (1 - (now - point.at) / WINDOW_MS)).toFixed(1)},${(29 - 27 * point.rate / top).toFixed(1)}`;
    this.calls.replaceChildren(drawing("polyline", { points: rates.map(place).join(" "), class: "series-0" }));
    const rate = rates.length ? rates[rates.length - 1].rate : 0;
    this.rate.textContent = `${rate.toFixed(1)}/s, ${count(calls)} in all`;
  }
}

// The trial of a new digest: how far it is, what it did, and the two ways out.
class Trial {
  constructor(current, button) {
    const steer = (verb) => () => change("POST", pathOf(current(), verb), {});
    this.text = element("span");
    this.bar = element("progress", { max: 1, ariaLabel: "time of the trial" });
    this.outcome = element("p", { className: "text" });
    this.differences = element("ul");
    this.node = element("div", { className: "trial" },
      element("div", { className: "row" }, badge("trial", "warm"), this.text, element("span", { className: "gap" }),
        button("promote", "", steer("promote")), button("abort", "danger", steer("abort"))),
      this.bar, this.outcome, this.differences);
  }

  update(plugin, now) {
    const trial = plugin.trial;
    this.node.hidden = !trial;
    if (!trial) return;
    const { stats = {}, comparisons = {} } = trial;
    const left = trial.ends_ms > now ? `, ${span(trial.ends_ms - now)} left` : `, waits for ${trial.waits_for}`;
    this.text.textContent = `${short(trial.digest)}: ${trial.mode}, ${trial.percent} % of requests${left}`;
    this.bar.value = (now - trial.started_ms) / (trial.ends_ms - trial.started_ms);
    const busiest = Object.values(stats.time || {}).sort((a, b) => b.samples - a.samples)[0];
    const time = busiest && busiest.samples ? `p50 ${nanos(busiest.p50_ns)}, p99 ${nanos(busiest.p99_ns)}` : null;
    const compared = comparisons.same + comparisons.different > 0 ? `compared: ${count(comparisons.same)} the same, ${count(comparisons.different)} not` : null;
    const failed = told(stats.failures);
    const quarantined = trial.quarantine ? "quarantined" : null;
    this.outcome.textContent = [`${count(sum(stats.calls))} calls`, time, failed ? `failed: ${failed}` : "none failed", quarantined, compared].filter(Boolean).join(" · ");
    const recent = (comparisons.recent || []).slice(0, 5);
    this.differences.replaceChildren(...recent.map((seen) => element("li", { textContent: `${seen.phase}: ${seen.old} → ${seen.new} (${seen.request_id})` })));
  }
}

// What is out of the ordinary, the worst first.
function notes(plugin, now) {
  const notes = [];
  const { quarantine, held, watch } = plugin;
  if (quarantine) {
    const left = quarantine.until_ms > now ? `for ${span(quarantine.until_ms - now)}` : "until a probe succeeds";
    notes.push(["bad", `quarantined ${left}: not called after failures in a row (${quarantine.openings} times)`]);
  }
  // A digest that is held back is a fault of its file too, told in other words.
  if (plugin.fault && !held) notes.push(["bad", plugin.fault]);
  if (held) notes.push(["warm", `${short(held.digest)} in ${plugin.file} is ${held.is_quarantined ? "quarantined" : "held back"} by ${held.by}: ${held.reason}`]);
  if (watch) notes.push(["soft", `watched for ${span(watch.ends_ms - now)}: over its budget, ${short(watch.digest_before)} comes back`]);
  if (plugin.state === "empty") notes.push(["warm", "requests go on without it, as its on_failure.load says"]);
  if (plugin.state === "unused") notes.push(["soft", `no policy names ${plugin.file}`]);
  return notes;
}

function showTimes(list, times) {
  const timed = Object.entries(times || {}).filter(([, time]) => time.samples > 0);
  const place = (ns) => Math.min(1, Math.max(0, Math.log(ns / TIME_MIN_NS) / Math.log(TIME_MAX_NS / TIME_MIN_NS)));
  list.replaceChildren(...timed.flatMap(([phase, time]) => {
    const range = element("i");
    const [from, to] = [place(time.p50_ns), place(time.p99_ns)];
    range.style.marginLeft = `${(from * 100).toFixed(1)}%`;
    range.style.width = `${Math.max(2, (to - from) * 100).toFixed(1)}%`;
    return [element("dt", { textContent: phase }), element("dd", {}, element("span", { className: "track" }, range),
      element("span", { textContent: `${nanos(time.p50_ns)} – ${nanos(time.p99_ns)}` }))];
  }));
  if (timed.length === 0) list.replaceChildren(element("dd", { className: "soft", textContent: "not called yet" }));
}

function showMix(box, verdicts) {
  const total = {};
  for (const counts of Object.values(verdicts || {})) for (const [kind, value] of Object.entries(counts)) total[kind] = (total[kind] || 0) + value;
  const all = sum(total);
  const bar = element("span", { className: "mix" });
  for (const [kind, value] of some(total)) {
    const part = element("i", { className: `kind-${KINDS.indexOf(kind)}`, title: `${kind}: ${count(value)}` });
    part.style.flexGrow = value / all;
    bar.append(part);
  }
  const legend = some(total).map(([kind, value]) => element("span", { className: `kind-${KINDS.indexOf(kind)}`, textContent: `${kind} ${(value * 100 / all).toFixed(1)} %` }));
  box.replaceChildren(bar, element("span", { className: "legend" }, ...legend));
}

// Names the digests that can come back; nothing happens before the operator says so.
async function askForRollback(plugin) {
  const dialog = find("#rollback");
  let digests = [];
  try {
    digests = (await call("GET", pathOf(plugin, "history"))).digests.filter((entry) => entry.outcome !== "serving" && entry.outcome !== "trial");
  } catch {
    // The router says why when it is asked to go back.
  }
  const choice = element("select", { ariaLabel: "digest to go back to" },
    ...digests.map((entry) => element("option", { value: entry.digest, textContent: `${short(entry.digest)} · ${entry.version || "?"} · ${entry.outcome}` })));
  // The router's own choice: the newest that went without a complaint.
  choice.value = (digests.find((entry) => entry.outcome === "served") || digests[0] || {}).digest;
  const go = element("button", { textContent: "roll back now", className: "danger" });
  go.onclick = () => { dialog.close(); change("POST", pathOf(plugin, "rollback"), choice.value ? { digest: choice.value } : {}); };
  const stay = element("button", { textContent: "cancel", onclick: () => dialog.close() });
  const question = digests.length ? "The file in the folder is not touched; its digest is held back until it is released, or replaced." : "Nothing else has served: there is nothing to go back to.";
  go.disabled = digests.length === 0;
  choice.hidden = digests.length === 0;
  dialog.replaceChildren(element("h2", { textContent: `Roll back ${plugin.name}?` }),
    element("p", { textContent: `${short(plugin.digest)} · ${plugin.version || "?"} serves now. ${question}` }), choice,
    element("div", { className: "row" }, go, stay));
  dialog.showModal();
}
