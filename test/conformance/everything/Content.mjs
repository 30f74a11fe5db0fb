// Small contents and schemas that tools, prompts and resources share.
import { Buffer } from "node:buffer"


/** A red image of one pixel. */
export const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="

/** Four silent samples: mono, 8 kHz, 16 bit. */
export const wav = (() => {
  const samples = Buffer.alloc(8)
  const header = Buffer.alloc(44)
  header.write("RIFF", 0)
  header.writeUInt32LE(36 + samples.length, 4)
  header.write("WAVEfmt ", 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(8000, 24)
  header.writeUInt32LE(16000, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write("data", 36)
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples]).toString("base64")
})()

export const text = (words) => ({ type: "text", text: words })
/** The result of a tool that says something. */
export const says = (words) => ({ content: [text(words)] })
/** One message of a prompt. */
export const user = (content) => ({ role: "user", content })
export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export const object = (properties, required) => ({ type: "object", properties, ...(required === undefined ? {} : { required }) })
export const noArguments = object({})
export const string = (description) => ({ type: "string", ...(description === undefined ? {} : { description }) })

/** What json-schema-2020-12 wants to see come through untouched. */
export const schema2020 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: string(), city: string() } } },
  properties: {
    name: string(),
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: string(),
    email: string()
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false
}
