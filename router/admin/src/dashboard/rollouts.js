// The panel of rollouts: a card for each, made once and brought up to date in place, so that what is being typed or
// clicked stays. A card says where the rollout stands, what it waits for, what it was held to, and what may be done.

import { badge, change, clock, element, find, span } from "./page.js";

const TONES = { running: "good", promoted: "good", paused: "warm", aborted: "bad", off: "soft" };
const VERBS = {
  off: ["start"], running: ["advance", "pause", "promote", "abort"], paused: ["resume", "advance", "promote", "abort"],
  aborted: ["resume", "start over"], promoted: ["start", "abort"],
};
// What a button says, and what it asks for.
const ORDERS = { "start over": ["resume", { from_start: true }] };
const OUTCOMES = { pass: ["passed", "good"], fail: ["failed", "bad"], "no-data": ["too few requests", "soft"] };
const SERIES = 4;
const cards = new Map();

export function showRollouts(rollouts) {
  const box = find("#rollouts > div");
  for (const [name, card] of cards) {
    if (rollouts.some((rollout) => rollout.name === name)) continue;
    card.node.remove();
    cards.delete(name);
  }
  rollouts.forEach((rollout, index) => {
    if (!cards.has(rollout.name)) cards.set(rollout.name, new Card(rollout.name));
    const { node } = cards.get(rollout.name);
    if (box.children[index] !== node) box.insertBefore(node, box.children[index] || null);
    cards.get(rollout.name).update(rollout, Date.now());
  });
  const empty = box.querySelector(".empty");
  if (rollouts.length && empty) empty.remove();
  if (!rollouts.length && !empty) box.append(element("p", { className: "soft empty", textContent: "no policy declares a rollout" }));
}

class Card {
  constructor(name) {
    const path = `/v1/rollouts/${encodeURIComponent(name)}`;
    this.state = badge("", "soft");
    this.share = element("span");
    this.release = element("span", { className: "soft" });
    this.bar = element("div", { className: "mix", role: "img" });
    this.legend = element("div", { className: "legend" });
    this.why = element("p", { className: "soft text" });
    this.plan = element("p", { className: "text" });
    this.checks = element("ul");
    this.buttons = Object.fromEntries([...new Set(Object.values(VERBS).flat())].map((text) => {
      const [verb, body] = ORDERS[text] || [text, {}];
      const button = element("button", { textContent: text, className: text === "abort" ? "danger" : "", ariaLabel: `${text} ${name}` });
      button.onclick = () => change("POST", `${path}/${verb}`, body);
      return [text, button];
    }));
    this.input = element("input", { type: "number", min: 0, max: 100, step: 0.01, ariaLabel: `weight of ${name} in percent` });
    this.set = element("button", { textContent: "set %", ariaLabel: `set the weight of ${name}` });
    this.set.onclick = () => { this.input.blur(); change("PUT", path, { weight: Number(this.input.value) }); };
    this.input.onkeydown = (event) => { if (event.key === "Enter") this.set.click(); };
    this.node = element("article", { className: "card", id: `rollout-${name}` },
      element("div", { className: "row" }, element("strong", { textContent: name }), this.state, this.share, this.release),
      this.bar, this.legend, this.plan, this.checks, this.why,
      element("div", { className: "row" }, ...Object.values(this.buttons), element("span", { className: "gap" }), this.input, this.set));
  }

  update(rollout, now) {
    this.state.textContent = rollout.state;
    this.state.className = `badge ${TONES[rollout.state] || "soft"}`;
    this.share.textContent = `${rollout.effective_weight} % to canary`;
    this.release.textContent = rollout.release ? `release ${rollout.release}` : "";
    const variants = rollout.variants || [];
    this.bar.replaceChildren(...variants.map((variant, index) => {
      const part = element("i", { className: `series-${index % SERIES}` });
      part.style.flexGrow = variant.effective_weight;
      return part;
    }));
    this.bar.ariaLabel = variants.map((variant) => `${variant.name} ${variant.effective_weight} %`).join(", ");
    this.legend.replaceChildren(...variants.map((variant, index) =>
      element("span", { className: `series-${index % SERIES}`, textContent: `■ ${variant.name} ${variant.effective_weight} %` })));
    this.plan.textContent = plan(rollout, now);
    this.plan.hidden = this.plan.textContent === "";
    const last = (rollout.judgements || []).at(-1);
    this.checks.hidden = !last;
    this.checks.replaceChildren(...(last ? last.checks : []).map(check));
    const pending = rollout.pending_aborts ? ", on its way to the store" : "";
    this.why.textContent = `${rollout.reason || "no reason given"} (${rollout.by}, ${clock(rollout.changed_ms)}${pending})`;
    const verbs = VERBS[rollout.state] || [];
    for (const [text, button] of Object.entries(this.buttons)) button.hidden = !verbs.includes(text) || (text === "advance" && !rollout.step);
    if (document.activeElement !== this.input) this.input.value = rollout.weight;
    this.input.disabled = this.set.disabled = rollout.state === "aborted";
  }
}

function plan(rollout, now) {
  if (!rollout.step) return rollout.waits_for ? `waits for ${rollout.waits_for}` : "";
  const { number, of, began_ms } = rollout.step;
  const waits = rollout.waits_for ? ` · waits for ${rollout.waits_for}` : "";
  return `step ${number} of ${of}, for ${span(Math.max(0, now - began_ms))}${waits}`;
}

function check(one) {
  const [word, tone] = OUTCOMES[one.outcome] || [one.outcome, "soft"];
  const against = one.stable ? `, stable ${one.stable}` : "";
  return element("li", {}, `${one.check}: `, element("span", { className: tone, textContent: word }), ` · canary ${one.canary}${against}, ${one.bound}`);
}
