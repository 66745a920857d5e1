// The official TypeScript SDK.
import { readFileSync } from 'node:fs'
import Anthropic, { APIError } from '@anthropic-ai/sdk'

const { HELLO, WEATHER, PICTURE, FAIL, MODEL } = JSON.parse(process.env.QUESTIONS)
const client = new Anthropic({ maxRetries: 0 })

const asked = (content, more = {}) => ({
  model: MODEL, max_tokens: 1000, messages: [{ role: 'user', content }], ...more,
})
const text = (message) => message.content.map((block) => block.text ?? '').join('')

const tool = {
  name: 'weather',
  description: 'Tells the weather in a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

const scenarios = {
  whole: async () => text(await client.messages.create(asked(HELLO))),
  streamed: async () => {
    const parts = []
    const stream = client.messages.stream(asked(HELLO)).on('text', (part) => parts.push(part))
    const message = await stream.finalMessage()
    return text(message) === parts.join('') ? parts : ['the parts are not the message']
  },
  tools: async () => {
    const request = asked(WEATHER, { tools: [tool] })
    const said = await client.messages.stream(request).finalMessage()
    const calls = said.content.filter((block) => block.type === 'tool_use')
    const results = calls.map((call) => (
      { type: 'tool_result', tool_use_id: call.id, content: `21 °C in ${call.input.city}` }))
    request.messages.push({ role: 'assistant', content: said.content }, { role: 'user', content: results })
    return text(await client.messages.stream(request).finalMessage())
  },
  image: async () => {
    const data = readFileSync(process.argv[2]).toString('base64')
    const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } }
    return text(await client.messages.create(asked([picture, { type: 'text', text: PICTURE }])))
  },
  error: async () => {
    try {
      await client.messages.create(asked(FAIL))
    } catch (error) {
      if (error instanceof APIError) return `${error.status}: ${error.message}`
      throw error
    }
    return 'no error'
  },
}

const seen = {}
for (const [name, scenario] of Object.entries(scenarios)) {
  seen[name] = await scenario().catch((error) => `raised ${error.name}: ${error.message}`)
}
const { version } = JSON.parse(readFileSync('node_modules/@anthropic-ai/sdk/package.json'))
console.log(JSON.stringify({ version, seen }))
