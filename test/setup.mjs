// Before all tests: those with a real daemon process start dist/main.js, which must not be older than the sources.
import { ensureBuilt } from "../scripts/ensure.mjs"

export default ensureBuilt
