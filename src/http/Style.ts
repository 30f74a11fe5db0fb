import { createHash } from "node:crypto"

/** The one stylesheet, inline: pages load nothing. System fonts, light and dark, from 320 px on. */
export const style = `
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--text:#1d232b;--soft:#5c6672;--line:#dfe3e8;--edge:#86909c;--accent:#c2410c;--on:#fff;--warn:#fff4e0;--warnline:#e0a23c;--code:#f0f2f5}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1d2126;--text:#e8eaed;--soft:#9aa4b0;--line:#333a42;--edge:#77818d;--accent:#fb923c;--on:#1d1206;--warn:#33270f;--warnline:#a3741d;--code:#15181c}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:flex-start;justify-content:center;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;padding:clamp(1rem,6vh,4rem) 1rem}
main{width:100%;max-width:34rem;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:clamp(1.25rem,5vw,2.25rem);box-shadow:0 1px 3px rgba(0,0,0,.06),0 12px 32px rgba(0,0,0,.06)}
main.wide{max-width:46rem}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .75rem}
h2{font-size:1rem;line-height:1.35;margin:1.75rem 0 .4rem}
p{margin:.6rem 0}
.soft,footer{color:var(--soft);font-size:.9rem}
footer{margin-top:1.75rem;padding-top:.9rem;border-top:1px solid var(--line)}
strong,.name{overflow-wrap:anywhere}
.name{unicode-bidi:isolate;font-weight:600}
.host{font-size:1.1rem}
.box{border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem;margin:1rem 0}
.box p{margin:.5rem 0 0}
.box p:first-child{margin-top:0}
.warn{background:var(--warn);border-color:var(--warnline)}
ul{margin:.4rem 0;padding-left:1.15rem}
li{margin:.3rem 0}
ul+.soft{margin-top:1.1rem}
code{font:.85em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--code);border-radius:5px;padding:.1em .35em;overflow-wrap:anywhere}
pre{background:var(--code);border-radius:8px;padding:.7rem .9rem;margin:.5rem 0;white-space:pre-wrap}
pre code{padding:0;background:none}
.actions{display:flex;gap:.75rem;margin-top:1.4rem;flex-wrap:wrap}
button{flex:1 1 9rem;font:inherit;font-weight:600;padding:.7rem 1rem;border-radius:9px;border:1px solid var(--edge);background:transparent;color:inherit;cursor:pointer}
button.first{background:var(--accent);border-color:var(--accent);color:var(--on)}
button:hover{border-color:var(--text)}
button.first:hover{border-color:var(--accent);filter:brightness(1.08)}
button:focus-visible,a:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
a{color:var(--accent)}
`

/** For `style-src`: the page may carry this stylesheet and no other. */
export const styleHash = `'sha256-${createHash("sha256").update(style).digest("base64")}'`
