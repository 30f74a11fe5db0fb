import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
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

describe("LineSplitter", () => {
  it("gives the same lines at any chunking, also through a multi-byte character", () => {
    const line = fc.string({ unit: "grapheme" }).filter((text) => text !== "" && !/[\r\n]/.test(text) && Buffer.from(text).toString() === text)
    fc.assert(fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), fc.constantFrom("\n", "\r\n"), (lines, sizes, end) => {
      const splitter = new LineSplitter(1_000_000)
      const bytes = Buffer.from(lines.map((text) => text + end).join(""))
      assert.deepStrictEqual(cut(bytes, sizes).flatMap((chunk) => splitter.push(chunk)), lines)
    }))
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
  })
})
