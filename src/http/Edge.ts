/** The path alone: a query may hold codes and states. */
export const pathOf = (url: string): string => {
  const end = url.search(/[?#]/)
  return (end === -1 ? url : url.slice(0, end)).slice(0, 200)
}

/** The router decodes "%2F" and stops at ";": with either a proxy in front could take the address for another one than we do. */
export const isPlain = (path: string): boolean => /^\/[\w.~/-]*$/.test(path)

/** What is said where no route does, with its status. */
export const sentences = {
  403: "This host name is not served here. Use the broker's public address (PUBLIC_URL).\n",
  404: "There is nothing at this address. The MCP endpoint is /mcp.\n",
  500: "Something went wrong inside the broker. Its log has the details.\n"
} as const
