// What the app answers. Pure, so that its tests need no socket.

/** Longest name that is greeted, in characters. */
export const NAME_LENGTH_MAX = 64;

/**
 * The answer to one request.
 * @param {string} method
 * @param {string} target path and query
 * @param {{ release: string, variant: string }} about
 * @returns {{ status: number, body: object }}
 */
export function answer(method, target, about) {
  if (method !== "GET") {
    return { status: 405, body: { error: "only GET is answered" } };
  }
  const url = new URL(target, "http://greeter");
  switch (url.pathname) {
    case "/healthz":
      return { status: 200, body: { healthy: true } };
    case "/":
      return greet(url.searchParams.get("name") ?? "world", about);
    default:
      return { status: 404, body: { error: "there is nothing here" } };
  }
}

function greet(name, { release, variant }) {
  if (name.length > NAME_LENGTH_MAX) {
    return { status: 400, body: { error: `a name has at most ${NAME_LENGTH_MAX} characters` } };
  }
  return { status: 200, body: { greeting: `Hello, ${name}!`, release, variant } };
}
