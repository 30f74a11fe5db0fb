#!/usr/bin/env node
// Exit 0 when the broker of this container answers, else 1 and a sentence. The address is that of FJMCP_LISTEN, as the
// broker itself reads it: a check with a port of its own would be wrong as soon as somebody changes the setting.
import { get } from "node:http"

const listen = (process.env.FJMCP_LISTEN ?? "").trim() || "127.0.0.1:8080"
const limit = 4000

const fail = (problem) => {
  console.error(`unhealthy: ${problem}`)
  process.exit(1)
}

const [, six, four, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(listen) ?? []
if (port === undefined) fail(`FJMCP_LISTEN is not an address and a port: ${JSON.stringify(listen)}. For example: 0.0.0.0:8080`)

// "All addresses" is nothing that one can connect to everywhere.
const address = six ?? four
const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address] ?? address

const request = get({ host, port, path: "/healthz", headers: { host: `127.0.0.1:${port}` }, timeout: limit }, (response) => {
  let body = ""
  response.setEncoding("utf8")
  response.on("data", (text) => {
    body = (body + text).slice(0, 1000)
  })
  response.on("end", () => {
    if (response.statusCode !== 200 || !/"status":"ok"/.test(body)) fail(`/healthz on ${listen} answers ${response.statusCode}: ${body.slice(0, 200)}`)
    process.exit(0)
  })
})
request.on("timeout", () => fail(`no answer on ${listen} within ${limit / 1000} seconds`))
request.on("error", ({ code, message }) => fail(code === "ECONNREFUSED" ? `nothing listens on ${listen} (FJMCP_LISTEN)` : message))
// A trickle of bytes would never be silent.
setTimeout(() => fail(`no whole answer on ${listen} within ${limit / 1000} seconds`), limit)
