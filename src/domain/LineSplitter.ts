const NEWLINE = 0x0a
const RETURN = 0x0d
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const
/** Bytes that are kept of both ends of a line that is too long: enough to see whose answer it was. */
const END = 128
/** Bytes that a line which comes in pieces gets at first. */
const FIRST = 4096

/**
 * Cuts bytes into lines at any chunking, in time linear in their number. Of a line longer than `maxBytes` only the two ends
 * are kept, for `onTooLong`; what is in memory is never more than twice `maxBytes`, however small the chunks are. Invalid
 * UTF-8 becomes U+FFFD, which leaves JSON structure intact. A byte order mark before a line is left out: no JSON begins
 * with one.
 */
export class LineSplitter {
  private readonly maxBytes: number
  private readonly onTooLong: (head: string, tail: string) => string | undefined
  /** The line that is being collected: its first `held` bytes. A copy, for a view would keep its whole chunk in memory. */
  private line = Buffer.alloc(0)
  private held = 0
  /** Set while the rest of a line that is too long is thrown away. */
  private ends: { readonly head: Buffer; tail: Buffer } | undefined

  /** `onTooLong` may give a line to put in the place of the one that is dropped. */
  constructor(maxBytes: number, onTooLong: (head: string, tail: string) => string | undefined = () => undefined) {
    this.maxBytes = maxBytes
    this.onTooLong = onTooLong
  }

  /** Takes the next bytes and gives the lines that they complete, without line ends. Empty lines are left out. */
  push(chunk: Buffer): Array<string> {
    const lines: Array<string> = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      const line = this.take(chunk.subarray(from, at))
      if (line !== "") lines.push(line)
      from = at + 1
    }
    if (from < chunk.length) this.hold(chunk.subarray(from))
    return lines
  }

  /** At the end of the bytes: the last line, if it has no line end. It may be cut; half a JSON object is never a whole one. */
  end(): Array<string> {
    const line = this.take(Buffer.alloc(0))
    return line === "" ? [] : [line]
  }

  private hold(part: Buffer): void {
    const needed = this.held + part.length
    if (this.ends !== undefined) this.ends.tail = lastOf(this.ends.tail, part)
    else if (needed > this.maxBytes) {
      const collected = this.line.subarray(0, this.held)
      const head = Buffer.concat([collected.subarray(0, END), part.subarray(0, END)]).subarray(0, END)
      this.ends = { head, tail: lastOf(collected, part) }
      this.line = Buffer.alloc(0)
    } else {
      if (needed > this.line.length) {
        const larger = Buffer.allocUnsafe(Math.min(this.maxBytes, Math.max(needed, this.line.length * 2, FIRST)))
        this.line.copy(larger, 0, 0, this.held)
        this.line = larger
      }
      part.copy(this.line, this.held)
      this.held = needed
    }
  }

  /** The line that ends with this part. */
  private take(part: Buffer): string {
    // Most lines come in one piece.
    if (this.held === 0 && this.ends === undefined && part.length <= this.maxBytes) return textOf(part)
    this.hold(part)
    const { ends } = this
    const line = ends === undefined ? textOf(this.line.subarray(0, this.held)) : this.onTooLong(ends.head.toString("utf8"), ends.tail.toString("utf8")) ?? ""
    this.ends = undefined
    this.line = Buffer.alloc(0)
    this.held = 0
    return line
  }
}

/** The last bytes of both, in a buffer of their own. */
const lastOf = (before: Buffer, part: Buffer): Buffer => Buffer.from(Buffer.concat([before.subarray(-END), part.subarray(-END)]).subarray(-END))

const textOf = (line: Buffer): string =>
  line.toString(
    "utf8",
    BYTE_ORDER_MARK.every((byte, at) => line[at] === byte) ? BYTE_ORDER_MARK.length : 0,
    line.at(-1) === RETURN ? line.length - 1 : line.length
  )
