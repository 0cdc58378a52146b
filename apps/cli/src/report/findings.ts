/** What the figures say, in a sentence a reader can check against the table. */
import { abortsPerCommit, formatCount, formatRatio } from "../comparison/result-table.ts";
import type { RunResult } from "../comparison/result.ts";

/** One sentence for the least and one for the greatest shared fraction, as far as there is something to compare. */
export function findingsOf(runs: readonly RunResult[], writers: number): string[] {
  const shares = [...new Set(runs.map((run) => run.sharedPct))].sort((a, b) => a - b);
  const ends = shares.length > 1 ? [shares[0]!, shares[shares.length - 1]!] : shares;
  return ends.flatMap((sharedPct) => {
    const sentence = compareAt(
      runs.filter((run) => run.sharedPct === sharedPct),
      writers,
    );
    return sentence === undefined ? [] : [`At ${sharedPct} % shared ${sentence}`];
  });
}

function compareAt(runs: readonly RunResult[], writers: number): string | undefined {
  const single = runs.find((run) => run.mode === "single");
  const others = runs.filter((run) => run.mode !== "single" && run.writers === writers);
  if (single === undefined || single.committed === 0 || others.length === 0) return undefined;
  const masters = writers === 1 ? "one master of a shared volume" : `${writers} masters`;
  const clauses = others.map((run) => {
    const ratio = run.committedPerSecond / single.committedPerSecond;
    const end = run.mode === "multi" ? "conflicts ending at the row" : "conflicts ending at the page";
    return `${formatRatio(ratio)} times that with ${end} (${formatRatio(abortsPerCommit(run))} aborts per commit)`;
  });
  return `one master commits ${formatCount(single.committedPerSecond)} transactions a second; ${masters} commit ${clauses.join(", and ")}.`;
}
