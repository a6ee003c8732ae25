// Greets: answers `/hello?name=ann` itself, and tells the server behind on every other path, unless the flag `quiet` is
// on. The same plugin as `sluice plugin new` makes in Rust, written against the contract, plugins/wit/plugin.wit.

import { Fields, NEXT, NEXT_WITH_OUTCOME, respondWithOutcome } from './contract.js';

/** The flag that silences it. */
const QUIET = 'flag:quiet';
/** Where it answers itself. */
const PATH = '/hello';

let config;
let isQuiet = false;
/** What the present call has to say beside its verdict. */
let outcome;

/** Once per instance. The activation says when the plugin is called at all, and with which fields of the request. */
export function init(text) {
  config = parse(text);
  return {
    phases: { request: true },
    pathPrefixes: [],
    methods: ['GET'],
    requestFields: ['path', 'query:name'],
    responseFields: [],
    state: [QUIET],
    variants: [],
    bodySizeAbove: 0n,
    bodyChunkBytes: 0n,
  };
}

/** Before the first request, and whenever the flag has changed; never per request. */
export function onState(_key, value) {
  isQuiet = value !== undefined && json(value) === true;
}

export function onRequest(bytes, _nowMs, _random) {
  if (isQuiet) {
    return NEXT;
  }
  const fields = new Fields(bytes);
  const [path, name] = [fields.next(), fields.next()];
  if (path === PATH) {
    const body = new TextEncoder().encode(`${config.greeting}, ${name ?? 'you'}\n`);
    outcome = { response: { headers: [{ name: 'content-type', value: 'text/plain' }], body }, edits: [], effects: [] };
    return respondWithOutcome(200);
  }
  const edits = [{ tag: 'set-header', val: { name: config.header, value: config.greeting } }];
  outcome = { response: undefined, edits, effects: [] };
  return NEXT_WITH_OUTCOME;
}

export function takeOutcome() {
  return outcome;
}

function parse(text) {
  const { greeting, header, ...others } = json(text);
  const unknown = Object.keys(others);
  if (unknown.length > 0) {
    throw `unknown keys: ${unknown.join(', ')}`;
  }
  if (typeof greeting !== 'string' || typeof header !== 'string') {
    throw 'greeting and header are texts';
  }
  return { greeting, header };
}

/** A string that is thrown is the error of the contract, a reason for the operator; anything else that is, a trap. */
function json(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw `${error}`;
  }
}
