// Tools that ask the client: first those of the 2025-11-25 scenarios, then those that the 2026-07-28 scenarios call, written as
// an ordinary server of 2025 would write them. Nothing here knows of 2026-07-28: only a bridge that turns such calls into
// rounds of `input_required` passes with it.
import { elicitationReport, words } from "./Asking.mjs"
import { noArguments, object, says, string } from "./Content.mjs"

const name = object({ name: string() }, ["name"])

const confirm = async (_, { ask }) => {
  const { content = null } = await ask.elicit("Please confirm", object({ ok: { type: "boolean" } }, ["ok"]), "confirm")
  return says(`state-ok ${JSON.stringify(content)}`)
}

const titled = (noun) => ["First", "Second", "Third"].map((title, n) => ({ const: `value${n + 1}`, title: `${title} ${noun}` }))

export const askingTools = [
  ["test_sampling", "Asks the client for a completion", object({ prompt: string("Prompt for the model") }, ["prompt"]), async ({ prompt }, { ask }) =>
    says(`LLM response: ${words(await ask.sample(prompt))}`)],
  [
    "test_elicitation",
    "Asks the user for a name and an e-mail address",
    object({ message: string("Message for the user") }, ["message"]),
    async ({ message }, { ask }) => {
      const wanted = object({ username: string("User's response"), email: string("User's email address") }, ["username", "email"])
      const { action, content } = await ask.elicit(message, wanted)
      return says(`User response: ${JSON.stringify({ action, content })}`)
    }
  ],
  ["test_elicitation_sep1034_defaults", "Elicitation where every primitive type has a default", noArguments, async (_, { ask }) =>
    elicitationReport(await ask.elicit("Please review the defaults", object({
      name: { type: "string", description: "User name", default: "John Doe" },
      age: { type: "integer", description: "User age", default: 30 },
      score: { type: "number", description: "User score", default: 95.5 },
      status: { type: "string", description: "User status", enum: ["active", "inactive", "pending"], default: "active" },
      verified: { type: "boolean", description: "Verified user", default: true }
    })))],
  ["test_elicitation_sep1330_enums", "Elicitation with the five enum forms", noArguments, async (_, { ask }) => {
    const plain = ["option1", "option2", "option3"]
    return elicitationReport(await ask.elicit("Please choose", object({
      untitledSingle: { type: "string", description: "One of three", enum: plain },
      titledSingle: { type: "string", description: "One of three, titled", oneOf: titled("Option") },
      legacyEnum: {
        type: "string",
        description: "Old titled form",
        enum: ["opt1", "opt2", "opt3"],
        enumNames: ["Option One", "Option Two", "Option Three"]
      },
      untitledMulti: { type: "array", description: "Several of three", items: { type: "string", enum: plain } },
      titledMulti: { type: "array", description: "Several of three, titled", items: { anyOf: titled("Choice") } }
    })))
  }],

  ["test_input_required_result_elicitation", "Greets the user by name", noArguments, async (_, { ask }) => {
    const { content } = await ask.elicit("What is your name?", name, "user_name")
    return says(`Hello, ${content?.name ?? "whoever you are"}!`)
  }],
  ["test_input_required_result_sampling", "Asks the model for the capital of France", noArguments, async (_, { ask }) =>
    says(words(await ask.sample("What is the capital of France?", 100, "capital_question")))],
  ["test_input_required_result_list_roots", "Names the roots of the client", noArguments, async (_, { ask }) =>
    says(JSON.stringify((await ask.roots("client_roots")).roots))],
  ["test_input_required_result_request_state", "Asks for one confirmation", noArguments, confirm],
  ["test_input_required_result_tampered_state", "Asks for one confirmation", noArguments, confirm],
  ["test_input_required_result_multiple_inputs", "Asks three things at once", noArguments, async (_, { ask }) => {
    const [elicited, sampled, { roots }] = await Promise.all([
      ask.elicit("What is your name?", name, "user_name"),
      ask.sample("Generate a greeting", 50, "greeting"),
      ask.roots("client_roots")
    ])
    return says(`${words(sampled)} ${elicited.content?.name} (${roots.length} roots)`)
  }],
  ["test_input_required_result_multi_round", "Asks two things, one after the other", noArguments, async (_, { ask }) => {
    const first = await ask.elicit("Step 1: What is your name?", name, "step1")
    const second = await ask.elicit("Step 2: What is your favorite color?", object({ color: string() }, ["color"]), "step2")
    return says(`${first.content?.name} likes ${second.content?.color}`)
  }],
  ["test_input_required_result_capabilities", "Asks for whatever the client can do", noArguments, async (_, { ask }) => {
    const outcomes = await Promise.allSettled([
      ask.elicit("What is your name?", name, "user_name"),
      ask.sample("Generate a greeting", 50, "greeting")
    ])
    return says(outcomes.map(({ status }) => status).join(", "))
  }],
  ["test_streaming_elicitation", "Elicits in the middle of the call", noArguments, async (_, { ask }) =>
    elicitationReport(await ask.elicit("Anything to add?", object({ note: string() }), "note"))],
  ["test_missing_capability", "Needs sampling, and passes the refusal on", noArguments, async (_, { ask }) =>
    says(words(await ask.sample("Say something")))]
]
