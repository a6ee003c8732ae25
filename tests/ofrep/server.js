// Asks for flags as a server does: npm's @openfeature/server-sdk with @openfeature/ofrep-provider.
// Usage: node server.js URL TOKEN; prints one line of JSON.

import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OpenFeature } from '@openfeature/server-sdk'

const [, , baseUrl, token] = process.argv
const headers = token ? [['Authorization', `Bearer ${token}`]] : []
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers }))
const client = OpenFeature.getClient()
const context = { targetingKey: 'ada', email: 'ada@example.com' }
const short = ({ value, variant, reason, errorCode, flagMetadata }) => ({ value, variant, reason, errorCode, flagMetadata })
console.log(JSON.stringify({
  switch: short(await client.getBooleanDetails('featureFlags', false, context)),
  theme: short(await client.getStringDetails('theme', 'none', context)),
  limit: short(await client.getNumberDetails('limit', 0, context)),
  ratio: short(await client.getNumberDetails('ratio', 0, context)),
  style: short(await client.getObjectDetails('style', {}, context)),
  wrong: short(await client.getStringDetails('limit', 'none', context)),
  broken: short(await client.getBooleanDetails('broken', false, context)),
  nobody: short(await client.getBooleanDetails('nobody', true, context))
}))
