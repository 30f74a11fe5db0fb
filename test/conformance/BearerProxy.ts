import { Effect, type Scope } from "effect"
import { createServer, request as httpRequest } from "node:http"
import type { AddressInfo } from "node:net"

/**
 * A reverse proxy on loopback that puts a bearer token on every request, for a suite that has no way to send one. Gives the
 * URL to use in place of `target`. It is otherwise transparent: header case and order are kept, streams are not held back, a
 * connection that closes on one side is closed on the other; and only a `Host` or `Origin` that names the proxy is made to
 * name the target, so that foreign ones arrive as they were sent.
 */
export const bearerProxy = (target: string, token: string): Effect.Effect<string, never, Scope.Scope> => {
  const upstream = new URL(target)
  const server = createServer((request, response) => {
    const own = `${upstream.hostname}:${(server.address() as AddressInfo).port}`
    const headers = ["Authorization", `Bearer ${token}`]
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      const [name = "", value = ""] = request.rawHeaders.slice(at, at + 2)
      if (/^authorization$/i.test(name)) continue
      const isOwn = (/^host$/i.test(name) && value === own) || (/^origin$/i.test(name) && value === `http://${own}`)
      headers.push(name, isOwn ? value.replace(own, upstream.host) : value)
    }
    const onward = httpRequest(upstream, { method: request.method ?? "GET", path: request.url ?? "/", headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders)
      response.flushHeaders()
      answer.pipe(response)
      answer.on("error", () => response.destroy())
    })
    onward.on("error", (error) => response.headersSent ? response.destroy() : response.writeHead(502).end(`bearer proxy: ${error.message}`))
    response.on("close", () => onward.destroy())
    request.pipe(onward)
  })
  return Effect.acquireRelease(
    Effect.async<string>((resume) => {
      server.listen(0, upstream.hostname, () =>
        resume(Effect.succeed(`http://${upstream.hostname}:${(server.address() as AddressInfo).port}${upstream.pathname}`)))
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
}
