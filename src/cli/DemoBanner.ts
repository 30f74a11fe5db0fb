interface DemoFacts {
  readonly mcpUrl: string
  readonly forgejoUrl: string
  readonly user: { readonly login: string; readonly password: string }
  readonly repo: string
}

/** What somebody needs to try the demo with a client of their own. */
export const demoBanner = ({ forgejoUrl, mcpUrl, repo, user }: DemoFacts): string => `
fjmcp-broker demo

  MCP URL      ${mcpUrl}
  Sign in as   ${user.login} / ${user.password}   (the form comes filled in)
  Repository   ${forgejoUrl}/${user.login}/${repo}/issues   (a stand-in Forgejo, in memory)

Add it to a client:

  Claude Code      claude mcp add --transport http forgejo-demo ${mcpUrl}
                   then type /mcp in Claude Code and choose Authenticate
  VS Code          code --add-mcp '{"name":"forgejo-demo","type":"http","url":"${mcpUrl}"}'
  MCP Inspector    npx @modelcontextprotocol/inspector
                   Transport Type: Streamable HTTP, URL: ${mcpUrl}

Then ask for: "create an issue in ${user.login}/${repo}". Ctrl-C ends everything.

`
