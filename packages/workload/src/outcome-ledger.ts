/** What was said of each transaction of `outcomes`, by whomever; and whether it agrees with itself and with the rows. */
import type { TransactionOutcome } from "@sixfold/model";
import type { Violations } from "./violations.ts";

export interface MarkedRow {
  readonly transaction: string;
  readonly row: number;
}

interface Known {
  readonly rows: number;
  said: "committed" | "aborted" | undefined;
}

export class OutcomeLedger {
  private readonly known = new Map<string, Known>();
  private readonly ids: string[] = [];
  private readonly seen: Violations;

  /** `seen`: where contradictions are noted. */
  constructor(seen: Violations) {
    this.seen = seen;
  }

  /** An attempt that would write `rows` rows. */
  begin(transaction: string, rows: number): void {
    this.known.set(transaction, { rows, said: undefined });
    this.ids.push(transaction);
  }

  /** In the order of their begin. */
  get transactions(): readonly string[] {
    return this.ids;
  }

  /** How it ended, by the transaction's own answer. */
  told(transaction: string | undefined, outcome: "committed" | "aborted"): void {
    if (transaction !== undefined) this.say(transaction, outcome, "was told");
  }

  /** By `outcome(id)`. */
  answered(transaction: string, outcome: TransactionOutcome): void {
    if (outcome !== "unknown") this.say(transaction, outcome, "was answered");
  }

  /** Compares with all rows, read after every answer. */
  judge(rows: readonly MarkedRow[]): string | undefined {
    const found = new Map<string, number>();
    for (const { transaction } of rows) found.set(transaction, (found.get(transaction) ?? 0) + 1);
    for (const [transaction, count] of found) {
      const known = this.known.get(transaction);
      if (known === undefined) return `${count} rows name ${transaction}, which nobody began`;
      if (count !== known.rows) return `${transaction} has ${count} of its ${known.rows} rows`;
      if (known.said === "aborted") return `${transaction} was called aborted and has its rows`;
    }
    for (const [transaction, { said }] of this.known)
      if (said === "committed" && !found.has(transaction))
        return `${transaction} was called committed and has no rows`;
    return undefined;
  }

  private say(transaction: string, outcome: "committed" | "aborted", how: string): void {
    const known = this.known.get(transaction)!;
    if (known.said !== undefined && known.said !== outcome)
      this.seen.note(`${transaction} ${how} ${outcome} after it had been called ${known.said}`);
    known.said = outcome;
  }
}
