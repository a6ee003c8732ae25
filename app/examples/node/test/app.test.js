import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, NAME_LENGTH_MAX } from "../app.js";

const about = { release: "0123456789ab", variant: "canary" };

test("a greeting names its release and variant", () => {
  const { status, body } = answer("GET", "/?name=Ann", about);
  assert.equal(status, 200);
  assert.deepEqual(body, { greeting: "Hello, Ann!", ...about });
});

test("the health path answers", () => {
  assert.equal(answer("GET", "/healthz", about).status, 200);
});

test("a name has a bound", () => {
  const target = (length) => `/?name=${"x".repeat(length)}`;
  assert.equal(answer("GET", target(NAME_LENGTH_MAX), about).status, 200);
  assert.equal(answer("GET", target(NAME_LENGTH_MAX + 1), about).status, 400);
});

test("other paths and methods are refused", () => {
  assert.equal(answer("GET", "/nowhere", about).status, 404);
  assert.equal(answer("POST", "/", about).status, 405);
});
