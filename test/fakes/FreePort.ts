import { createServer } from "node:net"
import type { AddressInfo } from "node:net"

/** A port of loopback that nobody has at the moment. */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
