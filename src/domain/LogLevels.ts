/** The levels of log messages as MCP names them, the least grave first (RFC 5424 section 6.2.1). */
const logLevels = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]

export const isLogLevel = (level: unknown): level is string => typeof level === "string" && logLevels.includes(level)

/** Whether a message of this level is at least as grave as `lowest`. One of no known level is shown. */
export const isAtLeast = (level: unknown, lowest: string): boolean => !isLogLevel(level) || logLevels.indexOf(level) >= logLevels.indexOf(lowest)
