/**
 * `append`: transactions append unique numbers to lists and read lists. The lists give the checker the order of all
 * versions, so it can tell every anomaly (Kingsbury and Alvaro, "Elle", VLDB 2020, section 3).
 *
 * Invariants that need no checker: at the end each committed append is in its list exactly once and an aborted one nowhere (I1, I2,
 * I9); what a committed transaction saw of a list is how that list begins (I3).
 *
 * A part's lists are retired when one has grown long: reading them would be all the work. Later ones have the next generation in
 * their key.
 */
import type { Random } from "@sixfold/model";
import type { RowKey } from "./database-face.ts";
import type { HistoryOperation, HistoryTransaction } from "./history.ts";
import { type Draft, RecordedWorkload } from "./recorded-workload.ts";

/** Appends drawn for the longest list of a generation. */
const LIST_MAX = 64;

interface Generation {
  readonly number: number;
  readonly drawn: Map<number, number>;
}

export class Append extends RecordedWorkload {
  readonly name = "append";
  private readonly generations = new Map<string, Generation>();

  protected draw(part: string, row: number, isReadOnly: boolean, random: Random): Draft[] {
    const generation = this.generationOf(part);
    const key: RowKey = [part, generation.number, row];
    if (isReadOnly || random.chance(0.4)) return [{ kind: "list", key }];
    const drawn = (generation.drawn.get(row) ?? 0) + 1;
    generation.drawn.set(row, drawn);
    if (drawn >= LIST_MAX) this.generations.set(part, { number: generation.number + 1, drawn: new Map() });
    return [{ kind: "append", key, lock: this.drawLock(random) }];
  }

  protected drawScan(part: string): Draft {
    return { kind: "lists", prefix: [part, this.generationOf(part).number], rows: this.parts.rowsPerPart };
  }

  protected lastRead(name: string, value: unknown): HistoryOperation {
    return { kind: "list", key: name, values: (value ?? []) as number[] };
  }

  protected judgeHistory(
    history: readonly HistoryTransaction[],
    last: ReadonlyMap<string, unknown>,
  ): string | undefined {
    const appends = new Map<number, { readonly key: string; readonly outcome: string }>();
    for (const { outcome, operations } of history)
      for (const operation of operations)
        if (operation.kind === "append") appends.set(operation.value, { key: operation.key, outcome });
    for (const [key, values] of last as ReadonlyMap<string, readonly number[]>) {
      if (new Set(values).size !== values.length)
        return `list ${key} holds a value twice: ${values.join(" ")}`;
      for (const value of values) {
        const append = appends.get(value);
        if (append?.key !== key) return `list ${key} holds ${value}, which nobody appended to it`;
        if (append.outcome === "aborted") return `list ${key} holds ${value}, whose transaction was aborted`;
      }
    }
    for (const [value, { key, outcome }] of appends)
      if (outcome === "committed" && !listOf(last, key).includes(value))
        return `list ${key} lacks ${value}, although its append was committed`;
    return this.judgeReads(history, last);
  }

  private judgeReads(
    history: readonly HistoryTransaction[],
    last: ReadonlyMap<string, unknown>,
  ): string | undefined {
    for (const { id, outcome, operations } of history) {
      if (outcome !== "committed") continue;
      for (const operation of operations) {
        if (operation.kind !== "list") continue;
        const final = listOf(last, operation.key);
        if (operation.values.some((value, i) => final[i] !== value))
          return `transaction ${id} saw ${operation.values.join(" ")} in list ${operation.key}, which begins otherwise`;
      }
    }
    return undefined;
  }

  private generationOf(part: string): Generation {
    let generation = this.generations.get(part);
    if (generation === undefined) this.generations.set(part, (generation = { number: 0, drawn: new Map() }));
    return generation;
  }
}

function listOf(last: ReadonlyMap<string, unknown>, key: string): readonly number[] {
  return (last.get(key) ?? []) as readonly number[];
}
