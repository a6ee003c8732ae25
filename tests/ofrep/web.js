// Asks for flags as a page does: npm's @openfeature/web-sdk with @openfeature/ofrep-web-provider, which listens for changes.
// Usage: node web.js URL TOKEN; prints `ready JSON`, and `changed JSON` after each change.

import { OFREPWebProvider } from '@openfeature/ofrep-web-provider'
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk'
import { EventSource } from 'eventsource'

// What a page has by itself.
globalThis.EventSource = EventSource

const [, , baseUrl, token] = process.argv
const headers = token ? [['Authorization', `Bearer ${token}`]] : []
// No polling: what is seen was told by the stream.
const provider = new OFREPWebProvider({ baseUrl, headers, pollInterval: 0 })
await OpenFeature.setContext({ targetingKey: 'ada', email: 'ada@example.com' })
await OpenFeature.setProviderAndWait(provider)
const client = OpenFeature.getClient()
const seen = () => JSON.stringify({
  switch: client.getBooleanValue('featureFlags', false),
  theme: client.getStringDetails('theme', 'none'),
  ratio: client.getNumberValue('ratio', 0),
  disabled: client.getBooleanDetails('disabled', true)
})
client.addHandler(ProviderEvents.ConfigurationChanged, () => console.log(`changed ${seen()}`))
console.log(`ready ${seen()}`)
