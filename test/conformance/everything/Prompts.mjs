// name, description, arguments, run(arguments, context).
import { object, png, string, text, user } from "./Content.mjs"

const required = (name, description) => ({ name, description, required: true })

export const prompts = [
  ["test_simple_prompt", "A prompt without arguments", [], () => ({ messages: [user(text("This is a simple prompt for testing."))] })],
  [
    "test_prompt_with_arguments",
    "A prompt with two arguments",
    [required("arg1", "First test argument"), required("arg2", "Second test argument")],
    ({ arg1, arg2 }) => ({ messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] })
  ],
  [
    "test_prompt_with_embedded_resource",
    "A prompt that embeds a resource",
    [required("resourceUri", "URI of the resource to embed")],
    ({ resourceUri }) => ({
      messages: [
        user({ type: "resource", resource: { uri: resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." } }),
        user(text("Please process the embedded resource above."))
      ]
    })
  ],
  ["test_prompt_with_image", "A prompt that shows an image", [], () => ({
    messages: [user({ type: "image", data: png, mimeType: "image/png" }), user(text("Please analyze the image above."))]
  })],
  ["test_input_required_result_prompt", "A prompt that first asks the user for a context", [], async (_, { ask }) => {
    const { content } = await ask.elicit("What context should the prompt use?", object({ context: string() }, ["context"]), "user_context")
    return { messages: [user(text(`Use this context: ${content?.context ?? "(none)"}`))] }
  }]
]

/** Words that complete an argument of one prompt. */
export const complete = ({ argument, ref }) => {
  const all = ref.type === "ref/prompt" && ref.name === "test_prompt_with_arguments"
    ? ["test", "testValue1", "testValue2", "paris", "park", "party"]
    : []
  const values = all.filter((word) => word.startsWith(argument.value))
  return { completion: { values, total: values.length, hasMore: false } }
}
