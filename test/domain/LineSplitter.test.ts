import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { LineSplitter } from "../../src/domain/LineSplitter.ts"

const cut = (bytes: Buffer, sizes: ReadonlyArray<number>): Array<Buffer> => {
  const chunks: Array<Buffer> = []
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

/** Bytes that mean something to a splitter come often, and so do the halves of characters. */
const bytes = fc.array(
  fc.oneof(
    fc.constantFrom("\n", "\r\n", "\r", "\n\n", "\0", "\u2028", "\ufeff", "\ufeff{}", "é", "€", "😀", "\\ud800", "{\"id\":1}").map((text) => Buffer.from(text)),
    fc.constantFrom([0xff], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xef, 0xbb], [0xed, 0xa0, 0x80], [0x80]).map((some) => Buffer.from(some)),
    fc.string({ maxLength: 12 }).map((text) => Buffer.from(text))
  ),
  { maxLength: 30, size: "max" }
).map((parts) => Buffer.concat(parts))
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 })

/** What the splitter must give, from all bytes at once. A character of one byte for each byte finds the line ends. */
const linesOf = (all: Buffer, maxBytes: number) =>
  all.toString("latin1").split("\n").map((text) => {
    const line = Buffer.from(text, "latin1")
    if (line.length > maxBytes) return "instead"
    return line.toString("utf8").replace(/^\ufeff/, "").replace(/\r$/, "")
  }).filter((line) => line !== "")

describe("LineSplitter", () => {
  it("gives the same lines at any chunking of any bytes, cuts inside characters included", () => {
    const maxBytes = fc.oneof(fc.integer({ min: 3, max: 12 }), fc.constant(1_000_000))
    fc.assert(fc.property(bytes, sizes, maxBytes, (all, cuts, max) => {
      const splitter = new LineSplitter(max, () => "instead")
      const lines = cut(all, cuts).flatMap((chunk) => splitter.push(chunk))
      assert.deepStrictEqual([...lines, ...splitter.end()], linesOf(all, max))
      assert.deepStrictEqual(splitter.end(), [], "it has given everything")
    }), { numRuns: 1000 })
  })

  it("takes time linear in the bytes, whatever the chunks", () => {
    // A copy of all that is held for each chunk would be 140 GB.
    const line = Buffer.alloc(16 * 1024 * 1024, "x")
    const splitter = new LineSplitter(line.length)
    for (const chunk of cut(line, [1000])) splitter.push(chunk)
    assert.strictEqual(splitter.push(Buffer.from("\n"))[0]?.length, line.length)
  })

  it("holds no more than twice what a line may have, and nothing of what it has given or thrown away", () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const held = () => {
      // What the first one finds is given back while it goes on, and is counted when the next one begins.
      for (let n = 0; n < 3; n++) collect()
      return process.memoryUsage().arrayBuffers
    }
    const megabyte = 1024 * 1024
    const splitter = new LineSplitter(16 * megabyte)
    const before = held()
    const small = Buffer.alloc(1000, "x")
    for (let n = 0; n < 15 * 1024; n++) splitter.push(small)
    // Each of the pieces in a buffer of its own would take more than the line has.
    assert.isBelow(held() - before, 33 * megabyte)
    for (let n = 0; n < 64 * 1024; n++) splitter.push(small)
    assert.isBelow(held() - before, megabyte)
    assert.deepStrictEqual(splitter.push(Buffer.from("\nok\n")), ["ok"])
  })

  it("drops a line that is too long, tells of its ends, and goes on with the next", () => {
    const dropped: Array<readonly [string, string]> = []
    const splitter = new LineSplitter(10, (head, tail) => void dropped.push([head.slice(0, 2), tail.slice(-2)]))
    const bytes = Buffer.from(`${"x".repeat(10)}\nab${"y".repeat(500)}cd\nok\n`)
    for (const size of [1, 4, 100]) {
      assert.deepStrictEqual(cut(bytes, [size]).flatMap((chunk) => splitter.push(chunk)), ["x".repeat(10), "ok"])
    }
    assert.deepStrictEqual(dropped, [["ab", "cd"], ["ab", "cd"], ["ab", "cd"]])
  })

  it("puts a line in the place of one that is too long, where it is given one", () => {
    const splitter = new LineSplitter(10, () => "instead")
    assert.deepStrictEqual(splitter.push(Buffer.from(`${"y".repeat(11)}\nok\n`)), ["instead", "ok"])
  })

  it("keeps what has no end yet, and replaces invalid UTF-8", () => {
    const splitter = new LineSplitter(100)
    assert.deepStrictEqual(splitter.push(Buffer.from("ab")), [])
    assert.deepStrictEqual(splitter.push(Buffer.from([0xff, 0x0a])), ["ab\ufffd"])
    assert.deepStrictEqual(splitter.push(Buffer.from("last")), [])
    assert.deepStrictEqual(splitter.end(), ["last"])
  })
})
