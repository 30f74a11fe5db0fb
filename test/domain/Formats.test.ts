import { assert, describe, it } from "@effect/vitest"
import { Duration, Either, FastCheck as fc } from "effect"
import {
  duration, hostPort, isLoopbackHost, oneOf, origin, privateScheme, secureOrigin, several, size, webUrl, wholeNumber
} from "../../src/domain/Formats.ts"

const right = <A>(parsed: Either.Either<A, unknown>): A => Either.getOrThrow(parsed)
const problem = (parsed: Either.Either<unknown, { readonly problem: string }>): string =>
  Either.match(parsed, { onLeft: (left) => left.problem, onRight: (value) => `accepted: ${JSON.stringify(value)}` })

describe("duration", () => {
  it("reads a whole number and its unit", () => {
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
    fc.assert(fc.property(fc.constantFrom(...Object.entries(units)), fc.integer({ min: 1, max: 24 }), ([unit, factor], count) => {
      assert.strictEqual(Duration.toMillis(right(duration("2s")(`${count}${unit}`))), count * factor)
    }))
  })

  it.each([
    ["15", "has no unit: \"15\". Write a whole number and ms, s, m, h or d"],
    ["15 m", "is not a duration: \"15 m\". Write a whole number and ms, s, m, h or d, without a space"],
    ["1.5h", "is not a duration: \"1.5h\". Write a whole number and ms, s, m, h or d, without a space"],
    ["-1s", "is not a duration: \"-1s\". Write a whole number and ms, s, m, h or d, without a space"],
    ["0s", "must be longer than nothing"],
    ["25d", "must not be longer than 24d"]
  ])("refuses %s", (text, sentence) => assert.strictEqual(problem(duration("2s")(text)), sentence))

  it("accepts zero only where it is asked for", () => {
    assert.strictEqual(Duration.toMillis(right(duration("2s", "zero")("0s"))), 0)
  })
})

describe("size", () => {
  const parse = size("4MiB", { min: 16, max: 1024 ** 3 })
  it("reads bytes and multiples of 1024", () => {
    assert.deepStrictEqual(["1024", "64KiB", "4MiB", "1GiB", "16B"].map((text) => right(parse(text))), [1024, 65_536, 4_194_304, 1_073_741_824, 16])
  })

  it.each([
    ["4MB", "is not a size: \"4MB\". Write a whole number of bytes, or one with KiB, MiB or GiB, without a space"],
    ["4 MiB", "is not a size: \"4 MiB\". Write a whole number of bytes, or one with KiB, MiB or GiB, without a space"],
    ["2GiB", "must be from 16 bytes to 1GiB, not \"2GiB\""],
    ["1", "must be from 16 bytes to 1GiB, not \"1\""]
  ])("refuses %s", (text, sentence) => assert.strictEqual(problem(parse(text)), sentence))
})

describe("wholeNumber and oneOf", () => {
  it("accept what lies within, and name the limits otherwise", () => {
    const parse = wholeNumber("8", { min: 1, max: 9 })
    assert.deepStrictEqual(["1", "9"].map((text) => right(parse(text))), [1, 9])
    for (const text of ["0", "10", "1.5", "1e0", "", "０"]) assert.strictEqual(problem(parse(text)), `must be a whole number from 1 to 9, not "${text}"`)
    assert.strictEqual(right(oneOf({ a: 1, b: 2 }, "a")("B")), 2)
    assert.strictEqual(problem(oneOf({ a: 1, b: 2, c: 3 }, "a")("toString")), "must be a, b or c, not \"toString\"")
  })
})

describe("hostPort", () => {
  const parse = hostPort("127.0.0.1:8080")
  it("reads names, IPv4 and bracketed IPv6 addresses", () => {
    assert.deepStrictEqual(right(parse("127.0.0.1:8080")), { host: "127.0.0.1", port: 8080 })
    assert.deepStrictEqual(right(parse("localhost:0")), { host: "localhost", port: 0 })
    assert.deepStrictEqual(right(parse("[::1]:8080")), { host: "::1", port: 8080 })
  })

  it.each([
    [":8080", "names a port but no address: \":8080\". For all addresses of the machine write 0.0.0.0:8080"],
    ["8080", "names a port but no address: \"8080\". For all addresses of the machine write 0.0.0.0:8080"],
    ["::1:8080", "has an IPv6 address without brackets: \"::1:8080\""],
    ["[::zz]:80", "is not an address and a port: \"[::zz]:80\""],
    ["[::1::]:80", "has no valid IPv6 address: \"[::1::]:80\""],
    ["localhost", "is not an address and a port: \"localhost\""],
    ["localhost:65536", "has a port above 65535: \"localhost:65536\""],
    ["http://localhost:80", "is not an address and a port: \"http://localhost:80\""]
  ])("refuses %s", (text, sentence) => assert.strictEqual(problem(parse(text)), sentence))
})

describe("URLs", () => {
  it("lose their final slash, their default port and upper case in the host", () => {
    assert.strictEqual(right(webUrl("")("https://Forgejo.Example.org:443/git/")), "https://forgejo.example.org/git")
    assert.strictEqual(right(origin("")("http://LOCALHOST:6274/")), "http://localhost:6274")
  })

  it.each([
    ["forgejo.example.org", "must begin with https:// or http://, but is \"forgejo.example.org\""],
    ["https://", "is not a valid URL: \"https://\""],
    ["https://user:hunter2@forgejo.example.org", "must not hold a user name or password (user@host)"],
    ["https:/user:hunter2@forgejo.example.org", "must begin with https:// or http://, but is the value"],
    ["https://forgejo.example.org/?", "must not have a query (\"?...\") or a fragment (\"#...\")"],
    ["https://forgejo.example.org/git", "must be an origin (scheme, host and port) without a path, but has the path \"/git\""]
  ])("are refused as origins: %s", (text, sentence) => assert.strictEqual(problem(origin("")(text)), sentence))

  it("of the broker are https, unless they are loopback", () => {
    for (const url of ["https://mcp.example.org", "http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080", "http://a.localhost"]) {
      assert.strictEqual(right(secureOrigin("")(url)), url)
    }
    for (const url of ["http://mcp.example.org", "http://127.0.0.1.example.org", "http://localhost.example.org", "http://10.0.0.1"]) {
      assert.match(problem(secureOrigin("")(url)), /^must begin with https:\/\//)
    }
    assert.isFalse(isLoopbackHost("128.0.0.1"))
  })
})

describe("lists", () => {
  it("take spaces and commas, and keep each thing once", () => {
    assert.deepStrictEqual(right(several(origin(""))("https://a.example, https://b.example/ https://a.example:443")), ["https://a.example", "https://b.example"])
    assert.deepStrictEqual(right(several(privateScheme(""))("Cursor:// com.example.app:")), ["cursor", "com.example.app"])
  })

  it("never hold a scheme of the web", () => {
    assert.strictEqual(problem(several(privateScheme(""))("cursor javascript")), "must not list \"javascript\": it is not the scheme of one application")
    assert.strictEqual(problem(privateScheme("")("1a")), "has a word that is not a URI scheme: \"1a\"")
  })
})
