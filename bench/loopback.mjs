// Loaded into a peer that has no setting for its address: what would listen everywhere listens on loopback.
import { Server } from "node:net"

const { listen } = Server.prototype
Server.prototype.listen = function(port, ...rest) {
  return typeof port === "number" && typeof rest[0] !== "string" ? listen.call(this, port, "127.0.0.1", ...rest) : listen.call(this, port, ...rest)
}
