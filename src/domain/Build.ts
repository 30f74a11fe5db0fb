declare const __VERSION__: string | undefined
declare const __REVISION__: string | undefined

/** Written in by scripts/build.mjs; a run from the sources says so. */
export const version: string = typeof __VERSION__ === "undefined" ? "0.0.0-source" : __VERSION__
export const revision: string = typeof __REVISION__ === "undefined" ? "source" : __REVISION__
