// The Anthropic provider of Vercel's AI SDK.
import { readFileSync } from 'node:fs'
import { createAnthropic } from '@ai-sdk/anthropic'
import { generateText, stepCountIs, streamText, tool } from 'ai'
import { z } from 'zod'

const { HELLO, WEATHER, PICTURE, FAIL, MODEL } = JSON.parse(process.env.QUESTIONS)
// Its base URL has the version in it.
const anthropic = createAnthropic({ baseURL: `${process.env.ANTHROPIC_BASE_URL}/v1` })
const asked = (prompt, more = {}) => ({ model: anthropic(MODEL), maxRetries: 0, prompt, ...more })

const weather = tool({
  description: 'Tells the weather in a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `21 °C in ${city}`,
})

const scenarios = {
  whole: async () => (await generateText(asked(HELLO))).text,
  streamed: async () => {
    const parts = []
    for await (const part of streamText(asked(HELLO)).textStream) parts.push(part)
    return parts
  },
  tools: async () => (await generateText(asked(WEATHER, { tools: { weather }, stopWhen: stepCountIs(5) }))).text,
  image: async () => {
    const picture = { type: 'image', image: readFileSync(process.argv[2]), mediaType: 'image/png' }
    const messages = [{ role: 'user', content: [picture, { type: 'text', text: PICTURE }] }]
    return (await generateText({ ...asked(), prompt: undefined, messages })).text
  },
  error: async () => {
    try {
      await generateText(asked(FAIL))
    } catch (error) {
      return `${error.statusCode}: ${error.message}`
    }
    return 'no error'
  },
}

const seen = {}
for (const [name, scenario] of Object.entries(scenarios)) {
  seen[name] = await scenario().catch((error) => `raised ${error.name}: ${error.message}`)
}
const { version } = JSON.parse(readFileSync('node_modules/@ai-sdk/anthropic/package.json'))
console.log(JSON.stringify({ version, seen }))
