/** The report's looks. Colours keep apart for the colour-blind and have 3:1 contrast on both grounds. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --ground: #fbfbfa; --card: #fff; --ink: #1d1f23; --soft: #646a73; --rule: #e3e4e6;
  --s0: #2563c9; --s1: #0f8a6a; --s2: #cf5a0b; --s3: #8a4fbf; --bad: #b3261e; --good: #0f7a4f; }
@media (prefers-color-scheme: dark) { :root { --ground: #15171a; --card: #1d2024; --ink: #e8e9eb; --soft: #9aa1ab; --rule: #33373d;
  --s0: #6fa2f5; --s1: #44c69f; --s2: #f39a55; --s3: #bf94ea; --bad: #ff8a80; --good: #5ed3a2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 72px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 44px 0 10px; }
h3 { font-size: 16px; margin: 28px 0 8px; }
p, li { max-width: 76ch; }
.lead { color: var(--soft); margin: 0 0 20px; }
.verdict { display: inline-block; padding: 4px 12px; border-radius: 999px; border: 1px solid currentColor; font-weight: 600; }
.ok { color: var(--good); } .bad { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 14px 14px 6px; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
figcaption { font-weight: 600; } figcaption span { color: var(--soft); font-weight: 400; }
figure svg { display: block; width: 100%; height: auto; margin-top: 6px; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.s0 { stroke: var(--s0); } .line.s1 { stroke: var(--s1); } .line.s2 { stroke: var(--s2); } .line.s3 { stroke: var(--s3); }
.mark { stroke: var(--card); stroke-width: 1.5; }
.mark.s0 { fill: var(--s0); } .mark.s1 { fill: var(--s1); } .mark.s2 { fill: var(--s2); } .mark.s3 { fill: var(--s3); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; padding: 0; margin: 6px 0 12px; list-style: none; }
.legend li { display: flex; align-items: center; gap: 8px; }
.key { width: 28px; height: 16px; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { padding: 7px 12px; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 600; } tbody tr:last-child > * { border-bottom: 0; }
.n { text-align: right; } td.wrap { white-space: normal; } td.bad { min-width: 26ch; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13.5px/1.5 ui-monospace, monospace; }
pre { padding: 12px 14px; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; overflow-x: auto; }
@media print { main { max-width: none; padding: 0; } figure { break-inside: avoid; } }
`;
