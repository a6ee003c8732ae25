// What every part of the dashboard is made of: elements, tables, calls of the JSON API, and figures as people read them.

const TOKEN_KEY = "sluice-token";

export const find = (selector) => document.querySelector(selector);

export function element(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.dataset, dataset || {});
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function drawing(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

export function rememberToken(token) {
  sessionStorage.setItem(TOKEN_KEY, token);
}

export function authorization() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export async function call(method, path, body) {
  const headers = authorization();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.status === 401) find("#token").hidden = false;
  if (response.status === 204) return null;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ? answer.error.message : response.statusText);
  return answer;
}

export function say(text) {
  const message = find("#message");
  message.textContent = text;
  message.hidden = text === "";
}

// Runs a change that the operator asked for, says why not if it is refused, and has the new state shown.
export async function change(method, path, body) {
  try {
    await call(method, path, body);
    say("");
  } catch (error) {
    say(error.message);
  }
  document.dispatchEvent(new Event("changed"));
}

export function table(target, headings, rows, empty) {
  const box = find(`${target} > div`);
  if (rows.length === 0) {
    box.replaceChildren(element("p", { className: "soft", textContent: empty }));
    return;
  }
  const head = element("tr", {}, ...headings.map((text) => element("th", { textContent: text })));
  const cells = (row) => row.map((cell) => (cell instanceof Node ? element("td", {}, cell) : element("td", { textContent: cell ?? "–" })));
  box.replaceChildren(element("table", {}, head, ...rows.map((row) => element("tr", {}, ...cells(row)))));
}

export const badge = (text, tone) => element("span", { className: `badge ${tone}`, textContent: text });
export const clock = (ms) => new Date(ms).toLocaleTimeString();
export const percent = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(1)} %`);
export const count = (value) => value.toLocaleString("en");
export const short = (digest) => (digest || "").slice(0, 12);

const scaled = (value, units) => {
  const [unit, name] = units.find(([bound]) => value >= bound) || units[units.length - 1];
  return `${unit === 1 ? value : (value / unit).toFixed(1)} ${name}`;
};
export const nanos = (ns) => scaled(ns, [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]]);
export const bytes = (size) => scaled(size, [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]]);

// How long something lasts on: `12 s`, `4:12`, `1:04:12`.
export function span(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (value) => String(value).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
