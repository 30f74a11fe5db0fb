import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import { api } from "./Api.ts"
import { apiError } from "./ApiAuth.ts"
import type { FaultAction, Faults } from "./Faults.ts"
import type { Reply, Request } from "./Http.ts"
import { BodyTooLarge, json, readRequest, text } from "./Http.ts"
import type { Recorder } from "./Recorder.ts"
import { web } from "./Web.ts"
import type { World } from "./World.ts"

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const route = async (world: World, request: Request): Promise<Reply> => {
  // Forgejo's router answers HEAD as GET; node leaves the body away.
  const routed = request.method === "HEAD" ? { ...request, method: "GET" } : request
  try {
    return await (request.path.startsWith("/api/v1") ? api(world, routed) : web(world, routed))
  } catch (cause) {
    // A bug of the stand-in, which would otherwise look like a fault of Forgejo.
    console.error("stand-in Forgejo:", request.method, request.path, cause)
    return request.path.startsWith("/api/v1") ? apiError(world, 500, "") : text(500, "Internal Server Error")
  }
}

const writeHead = (response: ServerResponse, { body, headers, status }: Reply): void => {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.setHeader("content-length", Buffer.byteLength(body))
  response.writeHead(status)
}

const write = (response: ServerResponse, reply: Reply): void => {
  writeHead(response, reply)
  response.end(reply.body)
}

/** Headers that promise the whole body, half of the body, and silence. */
const writeHalf = (response: ServerResponse, reply: Reply): void => {
  const bytes = Buffer.from(reply.body)
  writeHead(response, reply)
  response.flushHeaders()
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)))
}

/** One request through recorder, latency, faults and routes. */
export const listener = (world: World, faults: Faults, recorder: Recorder): RequestListener => {
  const serve = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = await readRequest(message)
    recorder.add({
      method: request.method,
      path: request.path,
      query: request.query.toString(),
      authorization: request.headers.authorization,
      userAgent: request.headers["user-agent"]
    })
    const fault = faults.take(request.method, request.path)
    if (world.knobs.latencyMs > 0) await sleep(world.knobs.latencyMs)
    await (fault === undefined ? route(world, request).then((reply) => write(response, reply)) : fail(fault, request, message, response))
  }

  const fail = async (fault: FaultAction, request: Request, message: IncomingMessage, response: ServerResponse): Promise<void> => {
    switch (fault.kind) {
      case "reset":
        message.socket.resetAndDestroy()
        return
      case "hang":
        return
      case "hangMidBody":
        return writeHalf(response, await route(world, request))
      case "loseAnswer":
        await route(world, request)
        message.socket.resetAndDestroy()
        return
      case "answer":
        return write(response, {
          status: fault.status,
          headers: { "content-type": fault.contentType ?? "text/plain; charset=utf-8", ...fault.headers },
          body: fault.body ?? ""
        })
      case "huge":
        return write(response, json(200, { message: "x".repeat(fault.bytes ?? 5 * 1024 * 1024) }))
      case "delay":
        await sleep(fault.ms)
        return write(response, await route(world, request))
    }
  }

  return (message, response) => {
    serve(message, response).catch((cause: unknown) => {
      // Without this a client that goes away in the middle of its body would end the process.
      if (cause instanceof BodyTooLarge && !response.headersSent) {
        write(response, text(413, "Request Entity Too Large", { connection: "close" }))
      } else message.socket.destroy()
    })
  }
}
