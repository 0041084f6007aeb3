// The look of the component.

// The colours are those of app.css; the component carries its own copy because it also lives in pages that are not ours.
export const STYLE = `
:host{display:block;color:var(--text);font:14px/1.45 Inter,system-ui,"Segoe UI",sans-serif;container-type:inline-size;
--card:light-dark(#fff,#181b1f);--raise:light-dark(#f1f2f4,#22252b);--line:light-dark(#dfe1e5,#2c3039);--edge:light-dark(#868d99,#6b7280);
--text:light-dark(#24292e,#d8d9e4);--dim:light-dark(#5c6470,#9aa0ad);--primary:light-dark(#2f66cf,#3d71d9);--log:light-dark(#fafafa,#0b0c0e);
--ok:light-dark(#17703f,#6ccf8e);--ok-back:light-dark(#e2f4e9,#12301f);--warning:light-dark(#8f4f00,#fbad37);--warning-back:light-dark(#fdf0d9,#38290f);
--critical:light-dark(#c4162a,#ff6b81);--critical-back:light-dark(#fce4e7,#3d1620);--running:light-dark(#1b58c9,#6e9fff);--running-back:light-dark(#e5edfd,#16233f);
--purple:light-dark(#7a3db8,#c79bf2);--purple-back:light-dark(#f2e8fb,#2c1b3f);--cyan:light-dark(#0b6b7a,#5ccfe0)}
:host([theme=dark]){color-scheme:dark}:host([theme=light]){color-scheme:light}:host([theme=auto]){color-scheme:light dark}
:host([hidden]),[hidden]{display:none!important}
*{box-sizing:border-box}
.popup{background:var(--card);overflow-wrap:anywhere}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
header{padding:12px 16px;border-bottom:1px solid var(--line);display:grid;grid-template-columns:minmax(0,1fr) auto;gap:2px 8px;align-items:start}
h1{font-size:16px;line-height:1.4;margin:0;font-weight:600;outline-offset:2px}
.sub{margin:0;color:var(--dim);font-size:12px;grid-column:1/-1}
.badges{display:flex;gap:4px;flex-wrap:wrap;justify-content:flex-end;align-items:start}
.environment{font-size:11px;font-weight:600;letter-spacing:.04em;text-transform:uppercase;border-radius:4px;padding:2px 8px;background:var(--raise);color:var(--dim)}
.environment.red{background:var(--critical-back);color:var(--critical)}.environment.orange,.environment.yellow{background:var(--warning-back);color:var(--warning)}
.environment.green{background:var(--ok-back);color:var(--ok)}.environment.blue{background:var(--running-back);color:var(--running)}.environment.purple{background:var(--purple-back);color:var(--purple)}
.body{padding:12px 16px;display:flex;flex-direction:column;gap:14px}.body>div:empty{display:none}
h2{font-size:12px;color:var(--dim);font-weight:600;margin:0 0 8px}
p{margin:0}.dim{color:var(--dim)}
ul,ol{list-style:none;margin:0;padding:0}
.action{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:12px;padding:10px 12px;border:1px solid var(--line);border-radius:6px;background:var(--raise);align-items:center}
.action+.action{margin-top:8px}.action .dim,.action .now{font-size:12px}.name{font-weight:600}.now{color:var(--running)}.action .paused{font-size:12px;color:var(--warning);margin-top:4px}.action .pill{font-size:12px;padding:2px 10px}
.helped{margin-left:8px;padding:1px 7px;border-radius:4px;background:var(--ok-back);color:var(--ok);font-size:11px;font-weight:600;white-space:nowrap}.experience{font-size:12px}.notice+.actions{margin-top:8px}.risk{margin-left:8px;font-size:11px;font-weight:600;color:var(--critical)}
.dots{display:inline-flex;gap:3px;margin-right:6px;vertical-align:middle}.dots i{width:8px;height:8px;border-radius:2px;background:var(--edge)}
.dots .ok{background:var(--ok)}.dots .warning{background:var(--warning);border-radius:50%}.dots .critical{background:var(--critical);clip-path:polygon(50% 0,100% 100%,0 100%)}
button{font:inherit;font-weight:500;border:1px solid transparent;border-radius:4px;padding:6px 14px;cursor:pointer;min-height:34px}
button.primary{background:var(--primary);color:#fff}button.quiet{background:transparent;color:var(--text);border-color:var(--edge)}button.danger{background:transparent;color:var(--critical);border-color:var(--critical)}
button.link,a{background:none;border:0;padding:2px 0;min-height:0;color:var(--text);font-weight:400;text-decoration:underline;text-decoration-color:var(--edge);text-underline-offset:3px}
button.primary:hover{filter:brightness(1.1)}button.quiet:hover,.hostrow:hover{background:var(--raise)}button.danger:hover{background:var(--critical-back)}
button:disabled{opacity:.5;cursor:not-allowed;filter:none}
:focus-visible{outline:2px solid var(--running);outline-offset:2px}h1:focus-visible{outline:none}
.row{display:flex;justify-content:space-between;gap:8px;align-items:center;flex-wrap:wrap}.row.end{justify-content:flex-end}
.chips{display:flex;flex-wrap:wrap;gap:6px}.chips button{padding:3px 10px;min-height:28px;font-size:13px}
.tasks{font-size:12px}.tasks li{display:grid;align-items:baseline;grid-template-columns:68px minmax(0,1fr) auto;gap:10px;padding:3px 0}.tasks .when{text-align:right}
.tone.ok{color:var(--ok)}.tone.warning{color:var(--warning)}.tone.critical{color:var(--critical)}.tone.unknown{color:var(--purple)}.tone.running,.tone.queued{color:var(--running)}.tone.none{color:var(--dim)}.tone{font-weight:500}
.hosts li+li{margin-top:6px}.hostrow{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 8px;width:100%;text-align:left;padding:8px 12px;background:transparent;border-color:var(--line);border-radius:6px;color:var(--text)}
.hostrow b{font-weight:600}.hostrow .dim{font-size:12px;font-weight:400;grid-column:1/-1}
.nothing{color:var(--dim);padding:12px 0}
.notice{padding:8px 12px;border-left:3px solid var(--edge);background:var(--raise);border-radius:0 4px 4px 0;font-size:13px}.notice+.notice{margin-top:8px}.notice button{margin-top:8px}
.notice.warning{border-color:var(--warning);background:var(--warning-back)}.notice.critical{border-color:var(--critical);background:var(--critical-back)}
label{display:block;font-size:12px;color:var(--dim);margin-bottom:4px}
input,select{width:100%;min-height:36px;font:inherit;padding:6px 10px;border-radius:4px;border:1px solid var(--edge);background:var(--log);color:var(--text)}
input::placeholder{color:var(--dim);opacity:1}input[type=checkbox]{width:16px;min-height:16px;height:16px;margin:0 8px 0 0;vertical-align:-3px}
label.tick{font-size:14px;color:var(--text)}[aria-invalid]{border-color:var(--critical)}.wrong{color:var(--critical);font-size:12px;margin-top:4px}
.pair{display:flex;flex-wrap:wrap;gap:8px}form>*+*{margin-top:12px}form>div:empty{display:none}form>div:empty+*{margin-top:0}form>label+input{margin-top:0}form>h2+*{margin-top:0}
pre,.rows,kbd{font-family:"Roboto Mono",ui-monospace,Consolas,monospace;font-size:12px}
.command{margin:0;padding:10px 12px;background:var(--log);border:1px solid var(--line);border-radius:6px;white-space:pre-wrap;max-height:220px;overflow:auto}.command.stale{color:var(--dim)}
.pill{display:inline-block;font-weight:600;padding:4px 12px;border-radius:14px;font-size:13px;background:var(--raise);color:var(--text);font-variant-numeric:tabular-nums}
.pill.ok{background:var(--ok-back);color:var(--ok)}.pill.warning{background:var(--warning-back);color:var(--warning)}.pill.critical{background:var(--critical-back);color:var(--critical)}
.pill.unknown{background:var(--purple-back);color:var(--purple)}.pill.running,.pill.queued{background:var(--running-back);color:var(--running)}
.head>.dim{font-size:13px}.asking{display:flex;gap:8px;align-items:center;flex-wrap:wrap}
.bar{height:4px;background:var(--line);border-radius:2px;overflow:hidden}.bar i{display:block;height:100%;width:0;background:var(--running);transition:width .3s}
.steps{font-size:13px}.steps li{padding:2px 0;color:var(--dim)}.steps b{font-weight:500}.steps .done b,.steps .running b,.steps .failed b{color:var(--text)}
.mark{display:inline-block;width:20px}.running .mark{color:var(--running)}.done .mark{color:var(--ok)}.failed .mark{color:var(--critical)}
.log{position:relative;display:flex;background:var(--log);border:1px solid var(--line);border-radius:6px;height:230px;overflow:hidden}
.rows{position:relative;flex:1;min-width:0;padding:8px 0;overflow:auto;overflow-anchor:none;overscroll-behavior:contain;line-height:1.6;border-radius:6px;outline-offset:-2px}.going .rows{opacity:.6}
.windowed .rows{scrollbar-width:none}.windowed .rows::-webkit-scrollbar{display:none}
.place{appearance:none;writing-mode:vertical-lr;direction:ltr;flex:none;width:16px;min-height:0;height:100%;padding:0;border:0;border-radius:0;background:var(--raise);cursor:pointer;outline-offset:-2px}
.place::-webkit-slider-thumb{appearance:none;width:16px;height:40px;border:4px solid var(--raise);border-radius:8px;background:var(--edge)}
.place::-moz-range-thumb{width:8px;height:32px;border:4px solid var(--raise);border-radius:8px;background:var(--edge)}
.unread{position:absolute;inset:auto 16px 0 0;padding:6px 12px;background:var(--warning-back);color:var(--warning)}
.finder{display:flex;flex-wrap:wrap;align-items:center;gap:6px 8px;font-size:12px}.finder>*{margin:0}.finder input{width:auto;min-height:32px;padding:3px 8px;font-size:13px}.finder [type=search]{flex:1 1 150px;min-width:0}.finder #line{width:90px}
.finder button{padding:2px 9px;min-height:32px}.finder .space{flex:1}
.line.found{background:var(--running-back)}mark{background:var(--warning-back);color:var(--warning);font-weight:700}
.empty{position:absolute;padding:8px 12px;font-size:12px}.line{display:flex;gap:8px;padding:0 12px 0 9px;border-left:3px solid transparent;white-space:pre-wrap;overflow-wrap:anywhere}
.line time{color:var(--dim);flex:none;user-select:none}.line b{flex:none;font-weight:600;user-select:none}.line .text{min-width:0;flex:1}
.line.err{border-color:var(--warning)}.line.err,.line.err b{color:var(--warning)}.line.sys{border-color:var(--running)}.line.sys,.line.sys b{color:var(--running)}.line.sys .text{font-style:italic}
.bold{font-weight:700}.faint{opacity:.75}.italic{font-style:italic}.underline{text-decoration:underline}
.colour-0{color:var(--dim)}.colour-1{color:var(--critical)}.colour-2{color:var(--ok)}.colour-3{color:var(--warning)}.colour-4{color:var(--running)}.colour-5{color:var(--purple)}.colour-6{color:var(--cyan)}.colour-7{color:var(--text)}
.facts,.chain{font-size:12px}.chain button.link{font-size:12px}.notice+.chain{margin-top:8px}.facts:empty,.after:empty{display:none}
footer{padding:10px 16px;border-top:1px solid var(--line);display:flex;flex-wrap:wrap;gap:4px 12px;align-items:center;font-size:12px;color:var(--dim)}footer .space{flex:1}
footer button.link,footer a{font-size:12px;color:var(--dim)}footer button.link:hover,footer a:hover{color:var(--text)}.connection.lost{color:var(--warning);font-weight:600;flex-basis:100%;order:-1}
dialog{border:1px solid var(--line);border-radius:8px;background:var(--card);color:var(--text);padding:16px 20px;max-width:min(360px,90vw)}dialog::backdrop{background:rgb(0 0 0/.5)}
dialog h2{font-size:14px;color:var(--text)}dl{display:grid;grid-template-columns:auto 1fr;gap:6px 16px;margin:0 0 16px}dd{margin:0}kbd{background:var(--raise);border:1px solid var(--line);border-radius:4px;padding:1px 6px}
@container (max-width:520px){footer{column-gap:8px}footer .long{display:none}.finder [type=search]{flex-basis:100%}}
@container (min-width:700px){.log{height:min(60vh,520px)}}
@container (max-width:420px){header,.body,footer{padding-left:12px;padding-right:12px}.tasks li{grid-template-columns:68px minmax(0,1fr)}.tasks .when{grid-column:2;text-align:left}}
@media (prefers-reduced-motion:reduce){.bar i{transition:none}}
`;
