/**
 * `register`: transactions write unique numbers to rows and read them; most writes follow a read of the same row, some are
 * blind.
 *
 * Invariants that need no checker: whatever is read was written by a transaction that was not aborted (I2), and at the end no
 * row shows a write that had ended before another committed write of the row began (I1, I3).
 */
import type { Random } from "@sixfold/model";
import type { HistoryOperation, HistoryTransaction } from "./history.ts";
import { type Draft, RecordedWorkload } from "./recorded-workload.ts";

const BLIND_FRACTION = 0.3;

interface WriteOf {
  readonly key: string;
  readonly by: HistoryTransaction;
}

export class Register extends RecordedWorkload {
  readonly name = "register";

  protected draw(part: string, row: number, isReadOnly: boolean, random: Random): Draft[] {
    const key = [part, row];
    if (isReadOnly || random.chance(0.4)) return [{ kind: "read", key }];
    const write: Draft = { kind: "write", key, lock: false };
    return random.chance(BLIND_FRACTION) ? [write] : [{ kind: "read", key }, write];
  }

  protected drawScan(part: string): Draft {
    return { kind: "reads", prefix: [part], rows: this.parts.rowsPerPart };
  }

  protected lastRead(name: string, value: unknown): HistoryOperation {
    return { kind: "read", key: name, value: value as number | undefined };
  }

  protected judgeHistory(
    history: readonly HistoryTransaction[],
    last: ReadonlyMap<string, unknown>,
  ): string | undefined {
    const writes = new Map<number, WriteOf>();
    /** Of each key the latest moment at which a committed write of it began. */
    const lastBegin = new Map<string, HistoryTransaction>();
    for (const by of history)
      for (const operation of by.operations) {
        if (operation.kind !== "write") continue;
        const { key, value } = operation;
        writes.set(value, { key, by });
        const latest = lastBegin.get(key);
        if (by.outcome === "committed" && (latest === undefined || latest.invokedAt < by.invokedAt))
          lastBegin.set(key, by);
      }
    for (const { id, outcome, operations } of history) {
      if (outcome !== "committed") continue;
      for (const operation of operations) {
        const wrong = operation.kind === "read" ? judgeRead(operation, writes) : undefined;
        if (wrong !== undefined) return `transaction ${id} ${wrong}`;
      }
    }
    for (const [key, latest] of lastBegin) {
      const value = last.get(key) as number | undefined;
      const shown = value === undefined ? undefined : writes.get(value)?.by;
      // An attempt's later writes hide its earlier ones, which is no business of time.
      if (shown === undefined) return `row ${key} is absent, although a write of it was committed`;
      if (shown !== latest && shown.returnedAt < latest.invokedAt)
        return `row ${key} shows ${value}, although a later write of it was committed by transaction ${latest.id}`;
    }
    return undefined;
  }
}

function judgeRead(
  read: Extract<HistoryOperation, { kind: "read" }>,
  writes: ReadonlyMap<number, WriteOf>,
): string | undefined {
  if (read.value === undefined) return undefined;
  const write = writes.get(read.value);
  if (write?.key !== read.key) return `read ${read.value} from row ${read.key}, which nobody wrote there`;
  if (write.by.outcome === "aborted")
    return `read ${read.value} from row ${read.key}, whose transaction was aborted`;
  return undefined;
}
