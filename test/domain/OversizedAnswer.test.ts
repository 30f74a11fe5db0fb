import { assert, describe, it } from "@effect/vitest"
import { insteadOf } from "../../src/domain/OversizedAnswer.ts"

const reason = "The answer is too long."
/** The ends of a line, as a splitter sees them. */
const instead = (line: string) => insteadOf(line.slice(0, 128), line.slice(-128), reason)
const big = "x".repeat(1000)

describe("what stands in the place of an answer that is dropped", () => {
  it("is an error under its id, wherever the child writes that", () => {
    const answers = [
      `{"jsonrpc":"2.0","id":7,"result":{"text":"${big}"}}`,
      `{"id":7,"jsonrpc":"2.0","result":"${big}"}`,
      `{ "id" : 7 , "error" : { "message" : "${big}" }, "jsonrpc" : "2.0" }`,
      `{"result":{"text":"${big}","id":1},"jsonrpc":"2.0","id":7}`,
      `{"jsonrpc":"2.0","result":["${big}"], "id": 7 } `,
      `{"result":"${big}","id":7,"jsonrpc":"2.0"}\r`
    ]
    for (const answer of answers) {
      assert.deepStrictEqual(JSON.parse(instead(answer) ?? "null"), { jsonrpc: "2.0", id: 7, error: { code: -32603, message: reason } }, answer.slice(0, 40))
    }
  })

  it("is nothing for what answers no call of ours: requests, notifications, ids that are not seen or not ours", () => {
    const others = [
      `{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{"text":"${big}"}}`,
      `{"method":"sampling/createMessage","params":{"text":"${big}"},"jsonrpc":"2.0","id":7}`,
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"text":"${big}","id":7}}`,
      `{"jsonrpc":"2.0","result":{"text":"${big}","id":7}}`,
      `{"jsonrpc":"2.0","id":"7","result":"${big}"}`,
      `{"jsonrpc":"2.0","id":-7,"result":"${big}"}`,
      `[{"jsonrpc":"2.0","id":7,"result":"${big}"}]`,
      big
    ]
    for (const other of others) assert.isUndefined(instead(other), other.slice(0, 60))
  })
})
