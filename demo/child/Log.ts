/** Lines on stderr in the manner of zap's console encoder, colours included, whoever reads them. */
const line = (level: string, colour: number, message: string, fields: Readonly<Record<string, unknown>>): void => {
  const time = new Date().toISOString().replace("Z", "+0000")
  process.stderr.write(`${time}\t\x1b[${colour}m${level}\x1b[0m\tdemo/child\t${message}\t${JSON.stringify(fields)}\n`)
}

export const info = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => line("INFO", 34, message, fields)

/** With a stack, as zap adds it to errors. */
export const error = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
  line("ERROR", 31, message, fields)
  process.stderr.write(`${(new Error().stack ?? "").split("\n").slice(2).join("\n")}\n`)
}

export const fatal = (message: string, fields: Readonly<Record<string, unknown>> = {}): never => {
  line("FATAL", 31, message, fields)
  process.exit(1)
}
