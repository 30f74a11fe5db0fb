import { assert, it } from "@effect/vitest"
import { Duration, Effect, Schedule } from "effect"
import type { ServerResponse } from "node:http"
import { connect } from "node:net"
import type { AddressInfo, Socket } from "node:net"
import { makeNodeServer } from "../../src/layers/NodeServerLive.ts"

const unreadTimeout = Duration.millis(200)

/** A server that answers by `answer`, a client that has sent one request and reads nothing, and the server's end of it. */
const served = (answer: (response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.async<{ readonly client: Socket; readonly socket: Socket; readonly connections: number; readonly stop: () => void }>((resume) => {
      const node = makeNodeServer({ headersTimeout: Duration.seconds(5), bodyTimeout: Duration.seconds(5), unreadTimeout })
      node.server.on("request", (request, response) => {
        answer(response)
        const stop = () => {
          client.destroy()
          node.server.closeAllConnections()
          node.server.close()
        }
        resume(Effect.succeed({ client, socket: request.socket, connections: node.connections.size, stop }))
      })
      let client: Socket
      node.server.listen(0, "127.0.0.1", () => {
        client = connect((node.server.address() as AddressInfo).port, "127.0.0.1")
        client.on("error", () => {}).pause().write("GET / HTTP/1.1\r\nhost: x\r\n\r\n")
      })
    }),
    ({ stop }) => Effect.sync(stop)
  )

const closed = (socket: Socket) => Effect.async<void>((resume) => void socket.once("close", () => resume(Effect.void)))

it.scopedLive("an answer that its client does not take is given up, and its memory with it", () =>
  Effect.gen(function*() {
    const { connections, socket } = yield* served((response) => response.end(Buffer.alloc(64 * 1024 * 1024)))
    assert.strictEqual(connections, 1)
    yield* Effect.timeout(closed(socket), "5 seconds")
  }))

it.scopedLive("a client that takes its time, but takes, gets all of a large answer", () =>
  Effect.gen(function*() {
    const size = 16 * 1024 * 1024
    const { client, socket } = yield* served((response) => response.end(Buffer.alloc(size)))
    const taken = yield* Effect.async<number>((resume) => {
      let taken = 0
      client.on("data", (piece: Buffer) => {
        taken += piece.length
        if (taken > size) return resume(Effect.succeed(taken))
        client.pause()
        setTimeout(() => client.resume(), 2)
      })
      socket.once("close", () => resume(Effect.succeed(taken)))
      client.resume()
    })
    assert.isAbove(taken, size)
  }))

it.scopedLive("a call that has nothing to say is left alone, before its answer begins and within a stream", () =>
  Effect.gen(function*() {
    for (const begin of [() => {}, (response: ServerResponse) => void response.write("data: {}\n\n")]) {
      const { socket } = yield* served(begin)
      // The server has been told of the silence, and the connection is still there.
      yield* Effect.async<void>((resume) => void socket.once("timeout", () => resume(Effect.void)))
      assert.isFalse(socket.destroyed)
    }
  }))

it.scopedLive("a connection that is done with its request goes when it is not used again", () =>
  Effect.gen(function*() {
    const { client, socket } = yield* served((response) => response.end("x"))
    yield* Effect.async<void>((resume) => void client.once("data", () => resume(Effect.void)).resume())
    // Node's own time for kept connections is longer than a test.
    socket.setTimeout(50)
    yield* Effect.timeout(closed(socket), "5 seconds")
  }))

for (
  const [name, sent] of [
    ["headers", "POST /mcp HTTP/1.1\r\nhost: x\r\n"],
    ["body", "POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nthe beginning"]
  ] as const
) {
  it.scopedLive(`a client that never sends the rest of its ${name} is cut off, however it drips`, () =>
    Effect.gen(function*() {
      const node = makeNodeServer({ headersTimeout: Duration.millis(300), bodyTimeout: Duration.millis(300), unreadTimeout: Duration.seconds(60) })
      node.server.on("request", (request) => void request.on("error", () => {}).resume())
      const client = yield* Effect.acquireRelease(
        Effect.async<Socket>((resume) => {
          node.server.listen(0, "127.0.0.1", () => {
            const socket = connect((node.server.address() as AddressInfo).port, "127.0.0.1")
            resume(Effect.succeed(socket.on("error", () => {}).resume()))
          })
        }),
        (socket) =>
          Effect.sync(() => {
            socket.destroy()
            node.server.closeAllConnections()
            node.server.close()
          })
      )
      const gone = closed(client)
      client.write(sent)
      const drip = setInterval(() => client.write(name === "headers" ? "x: y\r\n" : "."), 100)
      yield* gone.pipe(Effect.timeout("5 seconds"), Effect.ensuring(Effect.sync(() => clearInterval(drip))))
    }))
}

it.scopedLive("who waits behind another request of the same connection hears that the client has gone", () =>
  Effect.gen(function*() {
    const closed: Array<string> = []
    const { client, stop } = yield* Effect.acquireRelease(
      Effect.async<{ readonly client: Socket; readonly stop: () => void }>((resume) => {
        const node = makeNodeServer({ headersTimeout: Duration.seconds(5), bodyTimeout: Duration.seconds(5), unreadTimeout })
        const stop = () => {
          client.destroy()
          node.server.closeAllConnections()
          node.server.close()
        }
        node.server.on("request", ({ url }, response) => {
          response.once("close", () => closed.push(url ?? ""))
          if (url === "/second") resume(Effect.succeed({ client, stop }))
        })
        let client: Socket
        node.server.listen(0, "127.0.0.1", () => {
          client = connect((node.server.address() as AddressInfo).port, "127.0.0.1")
          client.on("error", () => {}).write("GET /first HTTP/1.1\r\nhost: x\r\n\r\nGET /second HTTP/1.1\r\nhost: x\r\n\r\n")
        })
      }),
      ({ stop }) => Effect.sync(stop)
    )
    client.destroy()
    yield* Effect.repeat(Effect.sync(() => closed.length), { until: (count) => count === 2, schedule: Schedule.spaced("10 millis") }).pipe(Effect.timeout("5 seconds"))
    assert.sameMembers(closed, ["/first", "/second"])
    stop()
  }))
