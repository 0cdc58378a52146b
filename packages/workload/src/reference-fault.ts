/**
 * Defects that `ReferenceDatabase` can be given, each for a class of real ones. A fault strikes every few times that there is an
 * occasion for it.
 */
import type { TransactionOutcome } from "@sixfold/model";
import type { ReferenceRow } from "./reference-tables.ts";

/** What goes wrong, and on which occasion. */
const OCCASIONS = {
  /** A commit does not look whether what it read has changed. */
  "lost-update": "commit",
  /** An acknowledged commit does nothing. */
  "lost-commit": "commit",
  /** A commit keeps only its first write. */
  "torn-commit": "commit",
  /** A deletion has no effect. */
  "resurrected-row": "delete",
  /** An attempt that lost a race is written all the same. */
  "undead-abort": "abort",
  /** A row read mixes two texts. */
  "torn-row": "read",
  /** A read shows the newest version and not the snapshot's. */
  "torn-snapshot": "read",
  /** A long value lacks its end. */
  "truncated-value": "read",
  /** A transaction reads at an old snapshot, without what its session has written since. */
  "stale-snapshot": "begin",
  /** A scan leaves a row out. */
  "lost-row": "scan",
  /** A scan gives two rows in the wrong order. */
  "disordered-scan": "scan",
  /** A scan goes on beyond its limit. */
  "overlong-scan": "scan",
  /** A table created again has the rows that it had before. */
  "resurrected-table": "create",
  /** An outcome is the opposite of what happened. */
  "wrong-outcome": "outcome",
} as const;

export type ReferenceFault = keyof typeof OCCASIONS;
export type Occasion = (typeof OCCASIONS)[ReferenceFault];

/** Every how many occasions the fault strikes. */
const FAULT_PERIOD = 5;

export class FaultStriker {
  readonly fault: ReferenceFault | undefined;
  private occasions = 0;

  constructor(fault: ReferenceFault | undefined) {
    this.fault = fault;
  }

  /** The fault that strikes now, if it is one of this occasion. */
  at(occasion: Occasion): ReferenceFault | undefined {
    const { fault } = this;
    if (fault === undefined || OCCASIONS[fault] !== occasion) return undefined;
    return ++this.occasions % FAULT_PERIOD === 0 ? fault : undefined;
  }
}

/** A scan's rows as the fault leaves them. `all`: without the limit. */
export function spoilScan(
  fault: ReferenceFault | undefined,
  rows: readonly ReferenceRow[],
  all: readonly ReferenceRow[],
): readonly ReferenceRow[] {
  const middle = Math.floor(rows.length / 2);
  if (fault === "lost-row") return rows.filter((_, i) => i !== middle);
  if (fault === "overlong-scan") return all.slice(0, rows.length + 1);
  if (fault !== "disordered-scan" || rows.length < 2) return rows;
  return [...rows.slice(0, middle - 1), rows[middle]!, rows[middle - 1]!, ...rows.slice(middle + 1)];
}

/** A value read as the fault leaves it. */
export function spoilValue(fault: ReferenceFault | undefined, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (fault === "torn-row" && "fields" in value) {
    // The last field of a record, exchanged for its first.
    const fields = [...(value.fields as readonly string[])];
    fields[fields.length - 1] = fields[0]!;
    return { ...value, fields };
  }
  if (fault === "truncated-value" && "body" in value) {
    const body = value.body as string | Uint8Array;
    return { ...value, body: body.slice(0, Math.floor(body.length / 2)) };
  }
  return value;
}

export function spoilOutcome(
  fault: ReferenceFault | undefined,
  outcome: TransactionOutcome,
): TransactionOutcome {
  if (fault !== "wrong-outcome" || outcome === "unknown") return outcome;
  return outcome === "committed" ? "aborted" : "committed";
}
