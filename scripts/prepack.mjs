// Before npm packs: what is packed is always built from what lies here, also in a clone where nothing was installed.
import { build, ensureDependencies } from "./ensure.mjs"

// Installing is no rehearsal, even where packing is one.
delete process.env.npm_config_dry_run
ensureDependencies()
if (!build()) process.exit(1)
