import { Effect } from "effect"
import type { Socket } from "node:net"

/** Bytes of answers that may lie at all connections together, written and not taken by their clients. */
export const maxUnreadAnswers = 192 * 1024 * 1024

/**
 * Closes connections until no more than `max` bytes lie unread: those with the most first, and of equal ones the oldest.
 * Whoever reads has little lying, however much is asked for; so this meets clients that ask and do not read. Gives how many.
 */
export const closeUnread = (connections: Iterable<Pick<Socket, "writableLength" | "destroy">>, max: number): Effect.Effect<number> =>
  Effect.sync(() => {
    const unread = [...connections].filter(({ writableLength }) => writableLength > 0).map((socket) => ({ socket, length: socket.writableLength }))
    let left = unread.reduce((sum, { length }) => sum + length, 0)
    let closed = 0
    for (const { length, socket } of unread.sort((a, b) => b.length - a.length)) {
      if (left <= max) break
      socket.destroy()
      left -= length
      closed++
    }
    return closed
  })
