const NEWLINE = 0x0a
/** Bytes that are kept of both ends of a line that is too long: enough to see whose answer it was. */
const END = 128

/**
 * Cuts bytes into lines at any chunking. Of a line longer than `maxBytes` only the two ends are kept, for `onTooLong`; what
 * is in memory is never much more than that. Invalid UTF-8 becomes U+FFFD, which leaves JSON structure intact.
 */
export class LineSplitter {
  private readonly maxBytes: number
  private readonly onTooLong: (head: string, tail: string) => string | undefined
  private parts: Array<Buffer> = []
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
      this.hold(chunk.subarray(from, at))
      const line = this.take()
      if (line !== "") lines.push(line)
      from = at + 1
    }
    if (from < chunk.length) this.hold(chunk.subarray(from))
    return lines
  }

  private hold(part: Buffer): void {
    if (part.length === 0) return
    if (this.ends !== undefined) {
      this.ends.tail = Buffer.concat([this.ends.tail, part.subarray(-END)]).subarray(-END)
      return
    }
    this.held += part.length
    this.parts.push(part)
    if (this.held > this.maxBytes) {
      const line = Buffer.concat(this.parts)
      // Copies: a view would keep the whole line in memory.
      this.ends = { head: Buffer.from(line.subarray(0, END)), tail: Buffer.from(line.subarray(-END)) }
      this.parts = []
    }
  }

  private take(): string {
    if (this.ends !== undefined) {
      const { head, tail } = this.ends
      this.ends = undefined
      this.held = 0
      return this.onTooLong(head.toString("utf8"), tail.toString("utf8")) ?? ""
    }
    const line = this.parts.length === 1 ? this.parts[0] ?? Buffer.alloc(0) : Buffer.concat(this.parts)
    this.parts = []
    this.held = 0
    const end = line.length > 0 && line[line.length - 1] === 0x0d ? line.length - 1 : line.length
    return line.toString("utf8", 0, end)
  }
}
