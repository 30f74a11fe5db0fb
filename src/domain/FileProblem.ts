/** What is in the way of using a file or directory: continues a sentence that begins with its path. From the codes of Node and SQLite. */
export const problemOf = (cause: unknown): string => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : undefined
  switch (code) {
    case "EACCES":
    case "EPERM":
    case "SQLITE_READONLY":
      return "is not writable for this user"
    case "EROFS":
      return "is on a file system that is mounted read-only"
    case "ENOTDIR":
      return "lies below something that is a file, not a directory"
    case "EEXIST":
      return "is a file, not a directory"
    case "EISDIR":
    case "SQLITE_CANTOPEN_ISDIR":
      return "is a directory, not a file"
    case "ENOSPC":
    case "SQLITE_FULL":
      return "is on a file system that is full"
    case "SQLITE_NOTADB":
      return "is not an SQLite database"
    case "SQLITE_CORRUPT":
      return "is damaged; restore it from a backup"
    default:
      return `gives the error ${code ?? (cause instanceof Error ? cause.message : String(cause))}`
  }
}
