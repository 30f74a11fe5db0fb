/** The four settings that the demo makes itself, in every spelling. */
export const madeByTheDemo: ReadonlyArray<string> = [
  "FJMCP_PUBLIC_URL",
  "FJMCP_FORGEJO_URL",
  "FJMCP_FORGEJO_INTERNAL_URL",
  "FJMCP_FORGEJO_CLIENT_ID",
  "FJMCP_FORGEJO_CLIENT_SECRET",
  "FJMCP_FORGEJO_CLIENT_SECRET_FILE"
]

/** Where the demo has another default than `serve`: it is stopped often, read by people, and driven by load tests. */
export const demoDefaults: ReadonlyArray<readonly [string, string]> = [
  ["DRAIN_GRACE", "2s"],
  ["LOG_FORMAT", "pretty"],
  ["MAX_SESSIONS", "4096"],
  ["MAX_SESSIONS_PER_USER", "4096"],
  ["MAX_STARTS_PER_MINUTE", "100000"]
]
