/** A report as text: the verdict first, then what broke it, then what was allowed. */
import type { Anomaly, Report } from "./report.ts";

/** Several lines, without a newline at the end. */
export function formatReport(report: Report): string {
  const { transactions, graph, promises, violations, allowed } = report;
  const { committed, aborted, unknownObserved, unknownUnseen } = transactions;
  const edges = Object.entries(graph.edges).map(([name, count]) => `${count} ${name}`);
  const lines = [
    report.valid ? "valid: every promise was kept" : `BROKEN: ${violations.length} violations shown`,
    `  ${committed} committed, ${aborted} aborted, ${unknownObserved} unknown but seen, ${unknownUnseen} unknown and not seen`,
    `  ${graph.keys} keys, ${graph.versions} versions; edges: ${edges.join(", ")}`,
  ];
  if (!report.complete) lines.push("  the search was cut short: a violation may have been missed");
  for (const { promise, transactions: count, kept, violations: broken } of promises) {
    if (count > 0) lines.push(`  ${promise}: ${kept ? "kept" : `broken (${broken})`}, ${count} transactions`);
  }
  for (const anomaly of violations) lines.push(...formatAnomaly(anomaly, "violation"));
  for (const anomaly of allowed) lines.push(...formatAnomaly(anomaly, "allowed"));
  return lines.join("\n");
}

function formatAnomaly({ name, transactions, breaks, explanation }: Anomaly, what: string): string[] {
  const who = transactions.map((id) => `T${id}`).join(", ");
  const whose = breaks.length > 0 ? ` breaks ${breaks.join(", ")}` : "";
  return [`${what}: ${name} (${who})${whose}`, ...explanation.map((line) => `    ${line}`)];
}
