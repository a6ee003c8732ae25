// The socket around the app: where it listens, and how it ends without cutting anybody off.

import { createServer } from "node:http";

import { answer } from "./app.js";

/** Longer than routers keep idle connections: the router should be the one to close. */
const IDLE_MS = 90_000;

const { HOST = "127.0.0.1", PORT = "3000", RELEASE = "unknown", VARIANT = "unknown" } = process.env;

const server = createServer((request, response) => {
  const { status, body } = answer(request.method, request.url, { release: RELEASE, variant: VARIANT });
  // Whatever a client sends along is read and dropped, so that the connection can be used again.
  request.resume();
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
});
server.keepAliveTimeout = IDLE_MS;

server.listen(Number(PORT), HOST, () => console.log(`listening on http://${HOST}:${PORT} as ${RELEASE}`));

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    console.log(`${signal}: no new connections; the ones that are in use may end`);
    server.close(() => console.log("ended"));
  });
}
