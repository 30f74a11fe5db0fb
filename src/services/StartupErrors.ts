import { Schema } from "effect"

/** Why the daemon does not start. Each message is a whole sentence for the person who starts it. */

/** Another daemon works on the data directory. */
export class StoreLocked extends Schema.TaggedError<StoreLocked>()("StoreLocked", {
  directory: Schema.String,
  /** The process id that the other daemon wrote down, where it could be read. */
  pid: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    return `Another fjmcp-broker${this.pid === undefined ? "" : ` (process ${this.pid})`} uses the data directory ${this.directory}. ` +
      "Stop it first, or give this one another directory with --data-dir (FJMCP_DATA_DIR)."
  }
}

/** The store was written by a newer program. It has not been changed. */
export class StoreTooNew extends Schema.TaggedError<StoreTooNew>()("StoreTooNew", {
  file: Schema.String,
  /** The highest migration that was applied to the store. */
  found: Schema.Number,
  /** The highest migration that this program has. */
  known: Schema.Number
}) {
  override get message(): string {
    return `The store ${this.file} has version ${this.found}, but this fjmcp-broker knows versions up to ${this.known} only. ` +
      "Nothing was changed. Start the newer fjmcp-broker again, or restore a backup of the data directory from before the update."
  }
}

/** The data directory, or a file in it, cannot be used. */
export class DataDirUnusable extends Schema.TaggedError<DataDirUnusable>()("DataDirUnusable", {
  path: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The data directory cannot be used: ${this.path} ${this.problem}. ` +
      "Correct that, or give another directory with --data-dir (FJMCP_DATA_DIR)."
  }
}

/** The store holds sealed values, and the key that opens them is not there; or a credential was announced and is not there. */
export class KeyMissing extends Schema.TaggedError<KeyMissing>()("KeyMissing", {
  path: Schema.String,
  isCredential: Schema.Boolean
}) {
  override get message(): string {
    return this.isCredential
      ? `The sealing key ${this.path} is missing. It is announced as a credential, so it is never made here: give it to the service again.`
      : `The sealing key ${this.path} is missing, and the store holds values that only this key opens. ` +
        "Restore the file from the backup of the data directory; a new key would not open them."
  }
}

/** The key is not the one that the values in the store were sealed with. */
export class KeyWrong extends Schema.TaggedError<KeyWrong>()("KeyWrong", {
  path: Schema.String,
  /** The ids (no secrets) of the keys that the store was sealed with. */
  expected: Schema.Array(Schema.String),
  found: Schema.String
}) {
  override get message(): string {
    return `The sealing key in ${this.path} is not the one that this store was sealed with: its id is ${this.found}, ` +
      `the store needs ${this.expected.length === 0 ? "another one" : this.expected.join(" or ")}. ` +
      "Restore the key file that belongs to this store, from the same backup."
  }
}

/** The key file cannot be read, holds no key, is open to others, or cannot be written. */
export class KeyUnusable extends Schema.TaggedError<KeyUnusable>()("KeyUnusable", {
  path: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The sealing key ${this.path} cannot be used: ${this.problem}.`
  }
}

/** The address of LISTEN cannot be listened on. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  address: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `Cannot listen on ${this.address}: ${this.problem}. Stop what uses it, or give another address with --listen (FJMCP_LISTEN).`
  }
}
