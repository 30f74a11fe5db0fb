import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import { checkRedirectUri, destinationOf, matchesRedirectUri, withParameters } from "../../src/domain/RedirectRule.ts"

const accepted = (uri: string) => Either.isRight(checkRedirectUri(uri, ["cursor"]))
const sentence = (uri: string) => Either.getOrThrow(Either.flip(checkRedirectUri(uri, ["cursor"])))
const port = fc.integer({ min: 1, max: 65535 })
const host = fc.constantFrom("127.0.0.1", "[::1]", "localhost")
const path = fc.constantFrom("", "/", "/callback", "/a/b", "/a/b?x=1", "/a/b?x=2", "?x=1")

describe("registering a redirect URI", () => {
  it("takes https, literal loopback over http, and listed private-use schemes", () => {
    for (
      const uri of [
        "https://claude.ai/api/mcp/auth_callback",
        "http://127.0.0.1/",
        "http://localhost/callback",
        "http://[::1]:33418/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback"
      ]
    ) assert.isTrue(accepted(uri), uri)
  })
  it.each([
    ["http://evil.example/cb", "A redirect URI with http may only point to 127.0.0.1, [::1] or localhost. Use https for every other host."],
    ["http://localhost.evil.example/cb", "A redirect URI with http may only point to 127.0.0.1, [::1] or localhost. Use https for every other host."],
    ["http://127.1/cb", "A redirect URI with http may only point to 127.0.0.1, [::1] or localhost. Use https for every other host."],
    ["javascript:alert(1)", "Redirect URIs with \"javascript:\" are refused. Use https, or http with 127.0.0.1, [::1] or localhost."],
    ["data:text/html,x", "Redirect URIs with \"data:\" are refused. Use https, or http with 127.0.0.1, [::1] or localhost."],
    ["vscode://x/cb", "Redirect URIs with \"vscode:\" are not allowed by this broker. Use https, or http with 127.0.0.1, [::1] or localhost."],
    ["https://a.example/cb#f", "A redirect URI must not have a fragment (\"#...\"): RFC 6749 section 3.1.2."],
    ["https://user@a.example/cb", "A redirect URI must not hold a user name or password (\"user@host\")."],
    ["/cb", "A redirect URI must be absolute, for example \"https://client.example/callback\"."],
    ["https:a.example", "The redirect URI is not a valid URL. Example: \"https://client.example/callback\"."],
    ["https://a.example/c b", "A redirect URI may hold printable ASCII characters only, no spaces and no backslashes: percent-encode others."],
    ["https://a.example\\@b.example/", "A redirect URI may hold printable ASCII characters only, no spaces and no backslashes: percent-encode others."],
    ["https://a.example/\r\nX: y", "A redirect URI may hold printable ASCII characters only, no spaces and no backslashes: percent-encode others."],
    [`https://a.example/${"a".repeat(1024)}`, "A redirect URI may have at most 1024 characters."]
  ])("refuses %s with a sentence", (uri, expected) => {
    assert.strictEqual(sentence(uri), expected)
  })
  it("never takes a script scheme, even where an operator lists it", () => {
    assert.isTrue(Either.isLeft(checkRedirectUri("javascript:x", ["javascript"])))
  })
})

describe("matching a redirect URI", () => {
  it("ignores the port on http loopback, and nothing else", () => {
    const canonical = (text: string) => text.startsWith("/") ? text : `/${text}`
    fc.assert(fc.property(host, host, port, port, path, path, (h1, h2, p1, p2, a, b) => {
      const same = h1 === h2 && canonical(a) === canonical(b)
      assert.strictEqual(matchesRedirectUri(`http://${h1}:${p1}${a}`, [`http://${h2}:${p2}${b}`]), same)
      assert.strictEqual(matchesRedirectUri(`http://${h1}:${p1}${a}`, [`http://${h2}${b}`]), same)
    }))
  })
  it("is exact for every other URI", () => {
    fc.assert(fc.property(fc.webUrl({ validSchemes: ["https"] }), fc.webUrl({ validSchemes: ["https"] }), (a, b) => {
      assert.strictEqual(matchesRedirectUri(a, [b]), a === b)
    }))
    assert.isFalse(matchesRedirectUri("https://localhost:1/cb", ["https://localhost:2/cb"]))
    assert.isFalse(matchesRedirectUri("https://a.example/cb/", ["https://a.example/cb"]))
  })
  it("does not fall for hosts that only begin like loopback, or for ports that are none", () => {
    for (const uri of ["http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1.evil.example/cb", "http://127.0.0.1:99999/cb", "http://LOCALHOST/cb", "http://127.0.0.1:1/cb#x"]) {
      assert.isFalse(matchesRedirectUri(uri, ["http://127.0.0.1/cb", "http://localhost/cb"]), uri)
    }
  })
  it("matches nothing that could not have been registered", () => {
    fc.assert(fc.property(fc.string(), (text) => {
      if (matchesRedirectUri(text, ["http://127.0.0.1/cb"])) assert.isTrue(accepted(text))
    }))
  })
})

it("says where the browser will be sent", () => {
  assert.deepStrictEqual(destinationOf("https://claude.ai/cb"), { kind: "web", host: "claude.ai" })
  assert.deepStrictEqual(destinationOf("http://127.0.0.1:53121/cb"), { kind: "loopback", host: "127.0.0.1:53121" })
  assert.deepStrictEqual(destinationOf("https://localhost/cb"), { kind: "loopback", host: "localhost" })
  for (const host of ["127.evil.com", "127.0.0.1.evil.com", "127.0.0.1.nip.io", "localhost.evil.com", "notlocalhost"]) {
    assert.deepStrictEqual(destinationOf(`https://${host}/cb`), { kind: "web", host })
  }
  for (const host of ["127.1.2.3", "app.localhost", "[::1]"]) {
    assert.deepStrictEqual(destinationOf(`https://${host}/cb`), { kind: "loopback", host })
  }
  assert.deepStrictEqual(destinationOf("cursor://x/cb"), { kind: "app", host: "cursor:" })
})

it("adds parameters and leaves the query that was there alone", () => {
  assert.strictEqual(withParameters("https://a.example/cb", { code: "x y", state: undefined }), "https://a.example/cb?code=x+y")
  assert.strictEqual(withParameters("https://a.example/cb?q=%7e", { code: "x" }), "https://a.example/cb?q=%7e&code=x")
  assert.strictEqual(withParameters("https://a.example/cb?", { code: "x" }), "https://a.example/cb?code=x")
})
