// From plugin.js to build/component.wasm: a JavaScript engine that has run the module already, and the world's exports.
// `node build.js [CONTRACT]`: where plugin.wit is, if not where it is in the repository.

import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const contract = process.argv[2] ?? here('../../wit/plugin.wit');

// The tools look for other packages in `deps`.
const wit = here('build/wit');
await rm(wit, { recursive: true, force: true });
await mkdir(`${wit}/deps/sluice-plugin`, { recursive: true });
await cp(here('wit/world.wit'), `${wit}/world.wit`);
await cp(contract, `${wit}/deps/sluice-plugin/plugin.wit`);

const { component } = await componentize({
  sourcePath: here('plugin.js'),
  witPath: wit,
  worldName: 'greeter',
  // A plugin has no network. The rest is what WASI gives a plugin: output, random numbers, clocks.
  disableFeatures: ['http', 'fetch-event'],
});
await writeFile(here('build/component.wasm'), component);
console.log(`build/component.wasm, ${component.length} bytes`);
