// The panel of flags: switches and flags of sets in one table, each with what may be done to it by hand, and below it who
// changed what.

import { badge, change, clock, element, find, table } from "./page.js";

// Of a long value the beginning.
const VALUE_CHARS = 60;
const HEADINGS = ["flag", "set", "value", "variants", "rule", ""];
const KEYS = { "flag:": "", "flags:": "set ", "rollout:": "rollout ", "silence:": "silence " };

const short = (text) => (text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS)}…` : text);
const path = (flag) => `/v1/flags/${encodeURIComponent(flag.name)}`;

export function showFlags(flags) {
  // The table is made anew when a flag changes: whoever stands on a control with the keyboard goes on standing there.
  const focused = document.activeElement.closest("#flags") ? document.activeElement.dataset.flag : undefined;
  const rows = flags.map((flag) => [
    element("span", { className: "prose", textContent: flag.name, title: flag.fault || "" }),
    flag.set || "switch", value(flag), flag.kind === "switch" ? "" : element("span", { className: "prose", textContent: Object.keys(flag.variants).join(", ") }),
    flag.targeting ? element("span", { className: "prose", textContent: flag.attributes.join(", ") || "yes" }) : "", control(flag),
  ]);
  table("#flags", HEADINGS, rows, "no flags: import a document with `sluice flags import`, or name a switch in sluice.toml");
  if (focused) find(`#flags [data-flag="${CSS.escape(focused)}"]`)?.focus();
}

function value(flag) {
  if (flag.fault) return badge("at fault", "bad");
  if (flag.kind === "switch" || (flag.type === "boolean" && flag.value !== null)) return badge(flag.value ? "on" : "off", flag.value ? "good" : "soft");
  if (flag.state === "DISABLED") return badge("disabled", "warm");
  if (flag.targeting) return badge("by rule", "warm");
  return element("code", { textContent: flag.value === null ? "–" : short(JSON.stringify(flag.value)) });
}

function control(flag) {
  const dataset = { flag: flag.name };
  if (flag.kind === "switch" || (flag.type === "boolean" && !flag.targeting && flag.state === "ENABLED")) {
    const on = flag.value === true;
    const button = element("button", { textContent: on ? "turn off" : "turn on", ariaLabel: `turn ${flag.name} ${on ? "off" : "on"}`, dataset });
    button.onclick = () => change("PUT", path(flag), { value: !on, reason: "on the dashboard" });
    return button;
  }
  const options = Object.keys(flag.variants).map((name) => element("option", { textContent: name, value: name, selected: name === flag.default_variant }));
  if (!flag.default_variant) options.unshift(element("option", { textContent: "no default", value: "", selected: true }));
  const select = element("select", { ariaLabel: `default variant of ${flag.name}`, dataset }, ...options);
  select.onchange = () => change("PUT", path(flag), { variant: select.value, reason: "on the dashboard" });
  return select;
}

export function showAudit(entries) {
  const lines = entries.map((entry) => {
    const prefix = Object.keys(KEYS).find((begin) => entry.key.startsWith(begin)) || "";
    const what = `${KEYS[prefix] ?? ""}${entry.key.slice(prefix.length)}`;
    const how = prefix === "flag:" ? `${entry.old ?? "none"} → ${entry.new ?? "none"}` : verb(entry);
    const why = entry.reason ? `: ${entry.reason}` : "";
    return element("li", {}, element("time", { textContent: clock(entry.at_ms), dateTime: new Date(entry.at_ms).toISOString() }),
      ` ${what} ${how} `, element("span", { className: "soft", textContent: `by ${entry.by}${why}` }));
  });
  find("#audit").replaceChildren(...lines);
  find("#audit").hidden = lines.length === 0;
}

function verb(entry) {
  if (entry.old === null) return "made";
  return entry.new === null ? "removed" : "changed";
}
