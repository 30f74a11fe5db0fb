import type { Writable } from "node:stream"

/**
 * The way to a child's standard input. Lines of one turn of the event loop go out in one write: each write may have to wake
 * the child, which costs more than all else that is done with a call.
 */
export class ChildInput {
  private readonly pipe: Writable
  private waiting = ""

  constructor(pipe: Writable) {
    this.pipe = pipe
  }

  /** Characters and bytes that the child has not taken. */
  get untaken(): number {
    return this.waiting.length + this.pipe.writableLength
  }

  /** False once the child's end is closed. */
  get isOpen(): boolean {
    return this.pipe.writable
  }

  send(line: string): void {
    if (this.waiting === "") setImmediate(() => this.flush())
    this.waiting += `${line}\n`
  }

  /** The child reads the end of its input behind what was sent. */
  end(): void {
    this.flush()
    this.pipe.end()
  }

  /** What is sent to a child that ends in this very turn is lost, as it is in a pipe whose reader ends; its calls are told. */
  private flush(): void {
    const lines = this.waiting
    this.waiting = ""
    if (lines !== "" && this.pipe.writable) this.pipe.write(lines)
  }
}
