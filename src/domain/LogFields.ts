/**
 * Fields of a log entry, in the order in which they are printed. Passed as a message: annotations are copied into the
 * fiber's references for each entry, which is too dear for what is logged with every request.
 */
export class LogFields {
  readonly fields: Readonly<Record<string, unknown>>

  constructor(fields: LogFields["fields"]) {
    this.fields = fields
  }
}
