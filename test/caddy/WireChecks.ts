import { readFileSync } from "node:fs"
import { connect } from "node:http2"
import { setTimeout as sleep } from "node:timers/promises"
import { expect } from "../image/Check.ts"
import { answerHeaders, spacing, type Upstream } from "./Upstream.ts"

/** How late an event may be that is not held back, in milliseconds: most of them, and each. Where nothing else runs it is 1 to 6. */
const [usually, atMost] = [50, 300]

const sent = {
  "mcp-session-id": "a-session_of.1",
  "mcp-protocol-version": "2026-07-28",
  "mcp-method": "tools/call",
  "mcp-name": "create_issue",
  "mcp-param-owner": "=?base64?w6Q=?=",
  "last-event-id": "s3/17",
  authorization: "Bearer token-of-a-client",
  origin: "https://inspector.example.org",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  accept: "application/json, text/event-stream"
}

/** Every header that MCP needs arrives as it was sent, on both ways, and nothing is told of the server. */
export const headersArrive = ({ seen }: Upstream) => async (origin: string): Promise<void> => {
  for (const method of ["POST", "DELETE"]) {
    const response = await fetch(`${origin}/mcp`, { method, headers: { ...sent, "content-type": "application/json" }, body: "{}" })
    await response.text()
    const arrived = seen.at(-1)?.headers ?? {}
    const missing = Object.entries({ ...sent, host: new URL(origin).host }).filter(([name, value]) => arrived[name] !== value)
    expect(missing.length === 0, `${method}: all headers reach the broker`, missing.map(([name]) => `${name} is ${arrived[name]}`))
    const lost = Object.entries(answerHeaders).filter(([name, value]) => response.headers.get(name) !== value)
    expect(lost.length === 0, `${method}: all headers reach the client`, lost.map(([name]) => `${name} is ${response.headers.get(name)}`))
    expect(response.headers.get("content-encoding") !== null, "a large answer in JSON is compressed", [...response.headers])
    expect(response.headers.get("server") === null, "no header says what serves", response.headers.get("server"))
    expect(response.headers.get("strict-transport-security") !== null, "browsers are told to stay with TLS", [...response.headers])
  }
}

/** Notes for each event how long after its writing it was there. */
const delaysIn = () => {
  const delays: Array<number> = []
  let rest = ""
  const take = (text: string): void => {
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) if (line.startsWith("data: ")) delays.push(Date.now() - Number(line.slice(6)))
  }
  return { delays, take }
}

const judge = (delays: ReadonlyArray<number>, events: number): void => {
  const median = delays.toSorted((one, other) => one - other)[Math.floor(delays.length / 2)] ?? Infinity
  expect(delays.length === events && median < usually && Math.max(...delays) < atMost, `${events} events are there within ${usually} ms of their writing`, `after ${delays.join(", ")} ms`)
}

/** Events arrive as they are written: over HTTP/1.1 and HTTP/2, for a client that would take compression. */
export const eventsAtOnce = ({ seen }: Upstream) => async (origin: string): Promise<void> => {
  const events = 5
  const first = delaysIn()
  const response = await fetch(`${origin}/mcp?events=${events}`, { headers: { ...sent, "accept-encoding": "gzip, zstd" } })
  expect(response.headers.get("content-encoding") === null, "a stream is not compressed", response.headers.get("content-encoding"))
  const decoder = new TextDecoder()
  for await (const part of response.body ?? []) first.take(decoder.decode(part as Uint8Array, { stream: true }))
  judge(first.delays, events)

  const second = delaysIn()
  const session = connect(origin, { ca: readFileSync(process.env["NODE_EXTRA_CA_CERTS"] ?? "") })
  try {
    await new Promise<void>((resolve, reject) => {
      session.once("error", reject)
      const stream = session.request({ ":path": `/mcp?events=${events}`, ...sent, "accept-encoding": "gzip" })
      stream.setEncoding("utf8").on("data", second.take).once("end", resolve).once("error", reject)
      stream.once("response", (headers) => {
        if (headers["mcp-session-id"] !== answerHeaders["mcp-session-id"]) reject(new Error("HTTP/2: the session id is lost"))
      })
    })
  } finally {
    session.destroy()
  }
  judge(second.delays, events)
  expect(seen.at(-1)?.headers["last-event-id"] === sent["last-event-id"], "HTTP/2: Last-Event-ID arrives", seen.at(-1)?.headers)
}

/** A client that leaves a silent stream: the broker's side is closed soon. */
export const leavingIsNoticed = ({ seen }: Upstream) => async (origin: string): Promise<void> => {
  const controller = new AbortController()
  const response = await fetch(`${origin}/mcp?events=1`, { headers: sent, signal: controller.signal })
  await response.body?.getReader().read()
  await sleep(2 * spacing)
  const left = Date.now()
  controller.abort()
  const closed = await Promise.race([seen.at(-1)?.closed, sleep(2_000)])
  expect(typeof closed === "number" && closed >= left, "the upstream request ends within two seconds of the client's leaving", `closed: ${String(closed)}, left: ${left}`)
}
