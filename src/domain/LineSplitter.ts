const NEWLINE = 0x0a

/**
 * Cuts bytes into lines at any chunking. A line longer than `maxBytes` is dropped whole and counted; what is kept in
 * memory is never more than that. Invalid UTF-8 becomes U+FFFD, which leaves JSON structure intact.
 */
export class LineSplitter {
  /** Lines dropped for their length. */
  dropped = 0
  private readonly maxBytes: number
  private parts: Array<Buffer> = []
  private held = 0
  private dropping = false

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
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
    if (this.dropping) return
    this.held += part.length
    if (this.held > this.maxBytes) {
      this.dropping = true
      this.dropped++
      this.parts = []
    } else if (part.length > 0) this.parts.push(part)
  }

  private take(): string {
    const line = this.parts.length === 1 ? this.parts[0] ?? Buffer.alloc(0) : Buffer.concat(this.parts)
    this.parts = []
    this.held = 0
    this.dropping = false
    const end = line.length > 0 && line[line.length - 1] === 0x0d ? line.length - 1 : line.length
    return line.toString("utf8", 0, end)
  }
}
