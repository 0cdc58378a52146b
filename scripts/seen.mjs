/**
 * Writes what histories showed into docs/isolation.md, from the output of `sixfold simulate --json`:
 *
 *     npx sixfold simulate --runs 1000 --json > runs.jsonl; node scripts/seen.mjs runs.jsonl
 */
import { readFileSync, writeFileSync } from "node:fs";

const NAMES = [
  "G0",
  "G1a",
  "G1b",
  "G1c",
  "lost update",
  "read your writes",
  "monotonic reads",
  "G-single",
  "long fork",
  "stale read",
  "write skew",
  "G2-item",
];
const OPTIONS = ["snapshot+session", "snapshot+cluster", "serializable+session", "serializable+cluster"];

/** @type {Map<string, { transactions: number, anomalies: Map<string, number> }>} */
const seen = new Map();
let runs = 0;
for (const file of process.argv.slice(2))
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line === "") continue;
    const run = JSON.parse(line);
    if (run.event !== "run" || run.histories.length === 0) continue;
    runs++;
    for (const { options, transactions, anomalies } of run.histories) {
      const entry = seen.get(options) ?? { transactions: 0, anomalies: new Map() };
      seen.set(options, entry);
      entry.transactions += transactions;
      for (const [name, count] of Object.entries(anomalies))
        entry.anomalies.set(name, (entry.anomalies.get(name) ?? 0) + Number(count));
    }
  }
if (runs === 0) throw new Error("no run with a history in the files given");

const several = [...seen.keys()].filter((options) => options.includes(" and ")).sort();
const rows = [...OPTIONS, ...several].map((options) => {
  const entry = seen.get(options) ?? { transactions: 0, anomalies: new Map() };
  const others = [...entry.anomalies.keys()].filter((name) => !NAMES.includes(name));
  if (others.length > 0) throw new Error(`an anomaly that the table does not show: ${others.join(", ")}`);
  const cells = NAMES.map((name) => entry.anomalies.get(name) ?? "never");
  return `| ${options} | ${entry.transactions === 0 ? "" : entry.transactions.toLocaleString("en")} | ${cells.join(" | ")} |`;
});
const table = [
  `${runs.toLocaleString("en")} runs with histories. Counts are of examples: at most ten of a name in one history.`,
  "",
  `| options | committed | ${NAMES.join(" | ")} |`,
  `|${" --- |".repeat(NAMES.length + 2)}`,
  ...rows,
].join("\n");

const path = new URL("../docs/isolation.md", import.meta.url);
const text = readFileSync(path, "utf8");
const [begin, end] = ["<!-- seen: begin -->", "<!-- seen: end -->"];
writeFileSync(
  path,
  `${text.slice(0, text.indexOf(begin) + begin.length)}\n\n${table}\n\n${text.slice(text.indexOf(end))}`,
);
